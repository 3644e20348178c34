//! The end of a login, which no request owns.

use std::sync::Arc;

use super::Salesforce;
use crate::grants::{Callback, CanvasError, Completed, LogInError, NewLogin};
use salesforce_connection::oauth::SignedRequest;

impl Salesforce {
    /// Exchanges a code and stores the login, in a task that no request owns.
    ///
    /// A browser that disconnects meanwhile must not leave a used code and lost tokens. If the login's cookie is not
    /// delivered by any response, the login is deleted.
    pub(crate) async fn finish_login(
        &self,
        callback: Callback,
    ) -> std::result::Result<Completed, LogInError> {
        let grants = Arc::clone(&self.inner.grants);
        self.inner.background.run(async move { grants.complete(callback).await }).await?
    }

    /// Makes a login of a signed request, as [`finish_login`](Self::finish_login) does of a code.
    pub(crate) async fn finish_canvas_login(
        &self,
        request: SignedRequest,
    ) -> std::result::Result<NewLogin, CanvasError> {
        let grants = Arc::clone(&self.inner.grants);
        let work = async move { grants.log_in_by_canvas(request).await };
        self.inner.background.run(work).await.map_err(LogInError::from)?
    }
}
