//! Open query results, read page by page.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::RowPlan;
use crate::base::clock::{Millis, millis};
use crate::base::{ids, lock};

/// Cursors live two days.
const LIFE: Duration = Duration::from_secs(2 * 24 * 60 * 60);
/// The oldest are closed beyond this many, and beyond this many rows in all. (Salesforce's classic limit is 10 per
/// user; whether it still holds is unverified, so these only bound memory. Each parent of a page may open one for its
/// children, hence the many.)
const BOUND: usize = 5_000;
const ROWS: usize = 4_000_000;

/// One open result.
#[derive(Debug)]
pub(crate) struct Cursor {
    pub(crate) plan: RowPlan,
    pub(crate) keys: Vec<i64>,
    pub(crate) page: usize,
    pub(crate) user_id: String,
    /// The locator of the parents, where the rows are children of a record.
    parent: Option<String>,
    born: Millis,
}

/// The owner of a new cursor, and its limits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner<'a> {
    pub(crate) user_id: &'a str,
    /// The locator of the parents.
    pub(crate) parent: Option<&'a str>,
    /// Open cursors of the user; one more closes the oldest.
    pub(crate) limit: Option<usize>,
}

#[derive(Debug, Default)]
pub(crate) struct Cursors {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    last: u64,
    rows: usize,
    open: VecDeque<(String, Arc<Cursor>)>,
}

impl Inner {
    fn close(&mut self, which: impl Fn(&str, &Cursor) -> bool) {
        self.open.retain(|(id, cursor)| !which(id, cursor));
        self.rows = self.open.iter().map(|(_, cursor)| cursor.keys.len()).sum();
    }
}

impl Cursors {
    /// Opens a cursor; its locator, `01g…`.
    pub(crate) fn open(
        &self,
        plan: RowPlan,
        keys: Vec<i64>,
        page: usize,
        owner: Owner<'_>,
        now: Millis,
    ) -> String {
        let (user_id, parent) = (owner.user_id.to_owned(), owner.parent.map(str::to_owned));
        let cursor = Cursor { plan, keys, page, user_id, parent, born: now };
        let mut inner = lock(&self.inner);
        if let Some(limit) = owner.limit {
            let mine = |(_, cursor): &&(String, Arc<Cursor>)| cursor.user_id == owner.user_id;
            let excess = (inner.open.iter().filter(mine).count() + 1).saturating_sub(limit);
            let oldest: Vec<String> =
                inner.open.iter().filter(mine).take(excess).map(|(id, _)| id.clone()).collect();
            inner.close(|id, _| oldest.iter().any(|old| old == id));
        }
        inner.last += 1;
        let locator = ids::make("01g", inner.last);
        inner.rows += cursor.keys.len();
        while inner.open.len() >= BOUND || inner.rows > ROWS {
            let Some((_, oldest)) = inner.open.pop_front() else { break };
            inner.rows -= oldest.keys.len();
        }
        inner.open.push_back((locator.clone(), Arc::new(cursor)));
        locator
    }

    /// The cursor and the offset of a `01g…-2000` locator of this user.
    pub(crate) fn find(
        &self,
        locator: &str,
        user_id: &str,
        now: Millis,
    ) -> Option<(String, Arc<Cursor>, usize)> {
        let (id, offset) = locator.split_once('-')?;
        let offset: usize = offset.parse().ok()?;
        let inner = lock(&self.inner);
        let (id, cursor) = inner.open.iter().find(|(known, _)| known == id)?;
        let live = cursor.user_id == user_id && now < cursor.born.saturating_add(millis(LIFE));
        (live && offset <= cursor.keys.len()).then(|| (id.clone(), Arc::clone(cursor), offset))
    }

    /// Closes the cursors of the children of these parents.
    pub(crate) fn close_children(&self, parent: &str) {
        lock(&self.inner).close(|_, cursor| cursor.parent.as_deref() == Some(parent));
    }

    pub(crate) fn close_all(&self) {
        let mut inner = lock(&self.inner);
        inner.open.clear();
        inner.rows = 0;
    }
}
