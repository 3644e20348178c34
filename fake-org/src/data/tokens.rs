//! `OauthToken`: the refresh tokens that work, as records.

use rusqlite::types::Value as Sql;

use super::samples::text;
use super::seed::insert_row;
use super::{DataError, Inner};
use crate::base::clock::{Millis, datetime};
use crate::base::ids;

/// The object's name.
pub(crate) const OAUTH_TOKEN: &str = "OauthToken";

/// A refresh token that works, by what its record shows. Never the token.
#[derive(Debug)]
pub(crate) struct Token {
    pub(crate) number: u64,
    pub(crate) app: String,
    pub(crate) delete_token: String,
    pub(crate) user_id: String,
    pub(crate) born: Millis,
    pub(crate) last_used: Millis,
    pub(crate) uses: u64,
}

impl Inner {
    /// Makes the records be these.
    pub(crate) fn set_tokens(&mut self, tokens: &[Token]) -> Result<(), DataError> {
        let Some(object) = self.schema.object(OAUTH_TOKEN) else { return Ok(()) };
        self.sqlite.execute_batch(&format!("DELETE FROM \"{OAUTH_TOKEN}\""))?;
        for token in tokens {
            let row = vec![
                ("Id", Sql::Text(ids::make(object.prefix, token.number))),
                ("IsDeleted", Sql::Integer(0)),
                ("AppName", text(&token.app)),
                ("DeleteToken", text(&token.delete_token)),
                ("UserId", text(&token.user_id)),
                ("LastUsedDate", Sql::Text(datetime(token.last_used))),
                ("UseCount", Sql::Integer(i64::try_from(token.uses).unwrap_or(i64::MAX))),
                ("CreatedDate", Sql::Text(datetime(token.born))),
                ("SystemModstamp", Sql::Text(datetime(token.last_used))),
            ];
            insert_row(self, object, row)?;
        }
        Ok(())
    }
}
