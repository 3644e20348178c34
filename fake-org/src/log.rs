//! The requests that the org received: a bounded log, newest last.

use std::collections::VecDeque;
use std::sync::Mutex;

use crate::base::lock;
use crate::request::Request;

/// The oldest requests are forgotten beyond this many.
const BOUND: usize = 20_000;
/// Bytes stored of one body.
const BODY_BOUND: usize = 64 * 1024;

/// Bytes stored of all bodies.
const BODIES: usize = 32 * 1024 * 1024;

#[derive(Debug, Default)]
pub(crate) struct Log {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    last: u64,
    requests: VecDeque<Request>,
    /// What the bodies take.
    bytes: usize,
}

impl Inner {
    fn forget_oldest(&mut self) {
        if let Some(request) = self.requests.pop_front() {
            self.bytes = self.bytes.saturating_sub(request.body.len());
        }
    }
}

impl Log {
    /// Enters a request and gives its number.
    pub(crate) fn enter(&self, mut request: Request) -> u64 {
        let mut inner = lock(&self.inner);
        inner.last += 1;
        request.number = inner.last;
        if inner.requests.len() >= BOUND {
            inner.forget_oldest();
        }
        inner.requests.push_back(request);
        inner.last
    }

    pub(crate) fn body(&self, number: u64, body: &[u8], form: &[(String, String)]) {
        self.with(number, |request| {
            request.body = String::from_utf8_lossy(body.get(..BODY_BOUND).unwrap_or(body)).into_owned();
            request.form = form.iter().cloned().collect();
        });
        let mut inner = lock(&self.inner);
        inner.bytes += body.len().min(BODY_BOUND);
        while inner.bytes > BODIES && inner.requests.len() > 1 {
            inner.forget_oldest();
        }
    }

    pub(crate) fn fault(&self, number: u64, name: String) {
        self.with(number, |request| request.fault = Some(name));
    }

    pub(crate) fn responded(&self, number: u64, status: Option<u16>, took: u64) {
        self.with(number, |request| {
            request.status = status;
            request.took = Some(took);
        });
    }

    pub(crate) fn all(&self) -> Vec<Request> {
        lock(&self.inner).requests.iter().cloned().collect()
    }

    pub(crate) fn last(&self, n: usize) -> Vec<Request> {
        lock(&self.inner).requests.iter().rev().take(n).cloned().collect()
    }

    pub(crate) fn clear(&self) {
        let mut inner = lock(&self.inner);
        inner.requests.clear();
        inner.bytes = 0;
    }

    fn with(&self, number: u64, change: impl FnOnce(&mut Request)) {
        let mut inner = lock(&self.inner);
        if let Some(request) = inner.requests.iter_mut().rev().find(|request| request.number == number) {
            change(request);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::request::Host;

    fn request() -> Request {
        Request {
            number: 0,
            host: Host::Login,
            method: "POST".into(),
            path: "/".into(),
            query: None,
            headers: Vec::new(),
            body: String::new(),
            form: BTreeMap::new(),
            status: None,
            time: 0,
            took: None,
            fault: None,
        }
    }

    #[test]
    fn the_log_is_bounded_in_requests_and_in_bytes() {
        let log = Log::default();
        for _ in 0..BOUND + 10 {
            log.enter(request());
        }
        assert_eq!((log.all().len(), log.all()[0].number), (BOUND, 11));
        let large = vec![b'a'; BODY_BOUND * 2];
        for _ in 0..600 {
            let number = log.enter(request());
            log.body(number, &large, &[]);
        }
        let stored = log.all();
        assert!(stored.iter().map(|request| request.body.len()).sum::<usize>() <= BODIES);
        assert_eq!(stored.last().map(|request| request.body.len()), Some(BODY_BOUND), "the newest is stored");
        log.clear();
        let number = log.enter(request());
        log.body(number, b"a", &[]);
        assert_eq!(log.all().len(), 1);
    }
}
