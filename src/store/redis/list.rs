//! Listing: page by page over an index, so that no single command takes long, however many people are logged in.

use std::collections::HashSet;

use tokio::time::timeout;

use super::{
    Inner,
    link::Repeat,
    reply::{self, GRANT_FIELDS, LOGIN_FIELDS, Reply},
};
use crate::store::{
    GrantRecord, LoginKey, LoginRecord, StoreError, Subject,
    io::{LISTING_DEADLINE, TooSlow, unavailable},
    record::grant_key,
};

/// How many index entries one command walks over.
const PAGE: usize = 200;
/// How many grants one command reads.
const AT_ONCE: usize = 50;

pub(super) async fn grants(inner: &Inner, of: Subject) -> Result<Vec<GrantRecord>, StoreError> {
    let mut found = Vec::new();
    for reply in read(inner, of, "grants").await? {
        for entry in reply.chunks_exact(1 + GRANT_FIELDS) {
            let name = entry[0].as_deref().unwrap_or_default();
            let read =
                grant_key(&String::from_utf8_lossy(name)).and_then(|key| reply::grant(key, &entry[1..]));
            match read {
                Ok(record) => found.push(record),
                Err(error) => tracing::warn!(%error, "a stored grant counts as absent"),
            }
        }
    }
    Ok(found)
}

pub(super) async fn logins(inner: &Inner, of: Subject) -> Result<Vec<(LoginKey, LoginRecord)>, StoreError> {
    let mut found = Vec::new();
    for reply in read(inner, of, "logins").await? {
        for entry in reply.chunks_exact(1 + LOGIN_FIELDS) {
            let name = entry[0].as_deref().unwrap_or_default();
            let read = reply::login_key(name).and_then(|key| Ok((key, reply::login(&entry[1..])?)));
            match read {
                Ok(login) => found.push(login),
                Err(error) => tracing::warn!(%error, "a stored login counts as absent"),
            }
        }
    }
    Ok(found)
}

/// The answers of `list.lua` for everything that an index holds.
async fn read(inner: &Inner, of: Subject, what: &'static str) -> Result<Vec<Reply>, StoreError> {
    let listing = async {
        let grants: Vec<Vec<u8>> = names(inner, of).await?.into_iter().collect();
        let mut replies = Vec::new();
        for names in grants.chunks(AT_ONCE) {
            let mut call = inner.scripts.list.key(inner.prefix.as_str());
            call.arg(what);
            for name in names {
                call.arg(name);
            }
            replies.push(inner.invoke(Repeat::Safe, &call).await?);
        }
        Ok(replies)
    };
    timeout(LISTING_DEADLINE, listing).await.unwrap_or_else(|_| Err(unavailable(TooSlow(LISTING_DEADLINE))))
}

/// The grants of an index. A walk may meet one twice, hence the set.
async fn names(inner: &Inner, of: Subject) -> Result<HashSet<Vec<u8>>, StoreError> {
    let index = match of {
        Subject::User(org, user) => format!("{}user:{org}:{user}", inner.prefix),
        Subject::Org(org) => format!("{}org:{org}", inner.prefix),
        Subject::All => format!("{}all", inner.prefix),
    };
    let mut names = HashSet::new();
    let mut cursor = 0_u64;
    loop {
        let page = inner.link.run(Repeat::Safe, |mut connection| {
            let mut command = redis::cmd("ZSCAN");
            command.arg(&index).arg(cursor).arg("COUNT").arg(PAGE);
            async move { command.query_async::<(u64, Vec<(Vec<u8>, Vec<u8>)>)>(&mut connection).await }
        });
        match page.await {
            Ok((next, page)) => {
                names.extend(page.into_iter().map(|(name, _expiry)| name));
                cursor = next;
            }
            // Something else has this name: there is no index then.
            Err(StoreError::Corrupt(_)) => return Ok(HashSet::new()),
            Err(error) => return Err(error),
        }
        if cursor == 0 {
            return Ok(names);
        }
    }
}
