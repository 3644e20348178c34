//! Logins that a test brings.

use std::sync::Arc;

use super::Salesforce;
use crate::grants::{CallbackPurpose, Destination, LogInError, LoginOutcome, random_login_id};
use salesforce_connection::{
    Secret,
    oauth::{LoginHost, TokenResponse},
};

impl Salesforce {
    /// Stores a login with tokens that a test brings, otherwise as [`finish_login`](Self::finish_login).
    pub(crate) async fn complete_login(
        &self,
        host: LoginHost,
        tokens: TokenResponse,
    ) -> Result<(Secret, LoginOutcome), LogInError> {
        let grants = Arc::clone(&self.inner.grants);
        let id = random_login_id()?;
        let login = id.clone();
        let work = async move {
            let destination = Destination { purpose: &CallbackPurpose::Login, id: login };
            grants.complete_login(grants.oauth(), tokens, &host, None, None, destination).await
        };
        let outcome = self.inner.background.run(work).await??;
        Ok((id, outcome))
    }
}
