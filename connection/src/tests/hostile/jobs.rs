//! Hostile and invalid responses to each request of a bulk job.

use futures_util::stream;

use crate::tests::*;
use crate::{
    error::Error,
    http::error::HttpError,
    tests::{
        hostile::bulk::{CSV, JOB, all, job},
        hostile::{ID, Operation, Row, assert_nothing_leaks, gzip, http_response, operations},
    },
};

/// Returns the requests of jobs by method and end of path, each with an operation that sends it.
fn steps() -> impl Iterator<Item = (&'static str, Operation)> {
    let steps = operations! {
        "POST /jobs/ingest": sf => load(sf);
        "PUT /batches": sf => load(sf);
        "PATCH /jobs/ingest/750D00000004SkGIAU": sf => load(sf);
        "GET /jobs/ingest/750D00000004SkGIAU": sf => async move { sf.ingest_job(JOB)?.refresh().await.map(drop) };
        "PATCH /750D00000004SkGIAU": sf => async move { sf.ingest_job(JOB)?.abort().await };
        "DELETE /jobs/ingest/750D00000004SkGIAU": sf => async move { sf.ingest_job(JOB)?.delete().await };
        "GET /successfulResults": sf => async move { all(sf.ingest_job(JOB)?.successful::<Row>()).await };
        "GET /failedResults": sf => async move { all(sf.ingest_job(JOB)?.failed::<Row>()).await };
        "GET /unprocessedrecords": sf => async move { all(sf.ingest_job(JOB)?.unprocessed::<Row>()).await };
        "POST /jobs/query": sf => sf.query::<Row>("SELECT Name FROM A").start_bulk();
        "GET /jobs/query/750D00000004SkGIAU": sf => async move { sf.query_job(JOB)?.refresh().await.map(drop) };
        "PATCH /jobs/query/750D00000004SkGIAU": sf => async move { sf.query_job(JOB)?.abort().await };
        "GET /resultPages": sf => all(sf.query::<Row>("SELECT Name FROM A").fetch_bulk());
        "GET /results": sf => all(sf.query::<Row>("SELECT Name FROM A").fetch_bulk());
        "DELETE /jobs/query/750D00000004SkGIAU": sf => async move { sf.query_job(JOB)?.delete().await };
    };
    steps.into_iter()
}

/// Loads a record: the job is created, filled and closed, and is then complete.
async fn load(sf: Connection) -> crate::error::Result<()> {
    let rows = stream::iter([ID.parse().unwrap()]);
    sf.bulk("A").delete(rows).await.map(drop).map_err(|error| error.source)
}

/// An org whose jobs succeed, except for one request.
struct Jobs {
    server: Server,
    faulty_step: FaultyStep,
    sf: Connection,
}

/// The request that gets another response, and that response.
type FaultyStep =
    Arc<Mutex<Option<(&'static str, Box<dyn Fn(&ReceivedRequest) -> Option<Reply> + Send + Sync>)>>>;

impl Jobs {
    async fn start(others: [&Server; 1]) -> Self {
        let faulty_step = FaultyStep::default();
        let step_to_fail = Arc::clone(&faulty_step);
        let server = Server::start(move |request| {
            let path = request.target.split('?').next().unwrap_or_default();
            let faulty = match &*step_to_fail.lock().unwrap() {
                Some((step, reply)) => {
                    let (method, end) = step.split_once(' ').unwrap();
                    if request.method == method && path.ends_with(end) { reply(request) } else { None }
                }
                None => None,
            };
            faulty.unwrap_or_else(|| match (&*request.method, path.rsplit('/').next().unwrap_or_default()) {
                ("PUT", _) => Reply::Body(201, String::new()),
                ("DELETE", _) => Reply::Body(204, String::new()),
                (_, "resultPages") => {
                    let page = format!("services/data/v66.0/jobs/query/{JOB}/results?locator=x");
                    json!({"resultPages": [{"resultUrl": page}], "done": true}).into()
                }
                (_, end) if end.to_lowercase().ends_with("results") || end == "unprocessedrecords" => {
                    let headers = format!("{CSV}Sforce-NumberOfRecords: 0\r\nSforce-Locator: null\r\n");
                    Reply::Raw(http_response(200, &headers, "Name\n"))
                }
                _ => job(JOB).into(),
            })
        })
        .await;
        let sf = connect_allowing(&server, others);
        let sf = sf.with_timeout(Duration::from_secs(20)).with_retry(crate::request::retry::Retry::none());
        Self { server, faulty_step, sf }
    }

    /// Runs an operation with this response to the request `step`.
    async fn outcome(
        &self,
        (step, operation): (&'static str, Operation),
        reply: impl Fn(&ReceivedRequest) -> Option<Reply> + Send + Sync + 'static,
    ) -> crate::error::Result<()> {
        *self.faulty_step.lock().unwrap() = Some((step, Box::new(reply)));
        self.server.requests.lock().unwrap().clear();
        operation(self.sf.clone()).await
    }
}

#[tokio::test]
async fn errors_about_a_job_reach_the_caller() {
    let unused = Server::start(|_| json!({}).into()).await;
    let jobs = Jobs::start([&unused]).await;
    for (step, operation) in steps() {
        jobs.outcome((step, operation), |_| None).await.expect(step);
        let rejection = |_: &ReceivedRequest| Some(api_error(400, "INVALIDJOBSTATE", "canary"));
        let error = jobs.outcome((step, operation), rejection).await.expect_err(step);
        assert_eq!((error.status(), &*error.api_errors()[0].code), (Some(400), "INVALIDJOBSTATE"), "{step}");
        assert_nothing_leaks(step, "a rejection", &error);
        let limit = |_: &ReceivedRequest| {
            Some(api_error(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."))
        };
        // The limit opens the org's circuit breaker, so each step gets a new org.
        let fresh = Jobs::start([&unused]).await;
        let error = fresh.outcome((step, operation), limit).await.expect_err(step);
        assert!(matches!(error, Error::LimitExceeded { .. }), "{step}: {error:?}");
    }
}

/// A-28 for jobs.
#[tokio::test]
async fn no_request_of_a_job_follows_a_redirect() {
    let evil = Server::start(|_| json!({}).into()).await;
    let jobs = Jobs::start([&evil]).await;
    for status in [301, 302, 303, 307, 308] {
        for (step, operation) in steps() {
            let headers = format!("Location: {}services/data/canary\r\n", evil.origin);
            let redirect = move |_: &ReceivedRequest| Some(Reply::Raw(http_response(status, &headers, "")));
            let error = jobs.outcome((step, operation), redirect).await.expect_err(step);
            assert!(matches!(error, Error::Http(HttpError::Redirect(s)) if s == status), "{step}: {error:?}");
            assert_nothing_leaks(step, "a redirect", &error);
        }
    }
    assert!(evil.lines().is_empty());
}

/// A-33 for jobs: the size of a whole body is limited, and in rows the size of a record.
#[tokio::test]
async fn a_bomb_in_a_response_about_a_job_stops_at_the_limit() {
    let unused = Server::start(|_| json!({}).into()).await;
    let jobs = Jobs::start([&unused]).await;
    let bomb = gzip(&vec![b' '; 40 << 20]);
    let headers = |kind: &str| {
        format!("Content-Type: {kind}\r\nContent-Encoding: gzip\r\nSforce-NumberOfRecords: 1\r\n")
    };
    for (step, kind) in [
        ("PUT /batches", "application/json"),
        ("GET /jobs/ingest/750D00000004SkGIAU", "application/json"),
        ("GET /resultPages", "application/json"),
        ("GET /results", "text/csv"),
        ("GET /failedResults", "text/csv"),
    ] {
        let operation = steps().find(|(found, _)| *found == step).unwrap();
        let response = http_response(200, &headers(kind), &bomb);
        let error =
            jobs.outcome(operation, move |_| Some(Reply::Raw(response.clone()))).await.expect_err(step);
        match kind {
            "text/csv" => assert!(matches!(error, Error::InvalidResponse(_)), "{step}: {error:?}"),
            _ => assert!(matches!(error, Error::Http(HttpError::TooLarge)), "{step}: {error:?}"),
        }
    }
    for (step, operation) in steps() {
        let kind = if step.ends_with("esults") || step.ends_with("records") {
            "text/csv"
        } else {
            "application/json"
        };
        let response = http_response(200, &headers(kind), "canary, and no gzip");
        let error = jobs
            .outcome((step, operation), move |_| Some(Reply::Raw(response.clone())))
            .await
            .expect_err(step);
        assert!(matches!(error, Error::Http(HttpError::Undecodable(_))), "{step}: {error:?}");
        assert_nothing_leaks(step, "no gzip", &error);
    }
}

/// A-33 for jobs.
#[tokio::test]
async fn no_request_of_a_job_takes_longer_than_its_timeout() {
    let unused = Server::start(|_| json!({}).into()).await;
    let mut jobs = Jobs::start([&unused]).await;
    jobs.sf = jobs.sf.with_timeout(Duration::from_millis(200));
    for start in [
        "",
        "HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nSforce-NumberOfRecords: 2\r\nContent-Length: 100\r\n\r\nName\nx",
    ] {
        for (step, operation) in steps() {
            let started = std::time::Instant::now();
            let error =
                jobs.outcome((step, operation), move |_| Some(Reply::Stall(start))).await.expect_err(step);
            assert!(matches!(error, Error::Http(HttpError::Timeout)), "{step}: {error:?}");
            assert!(started.elapsed() < Duration::from_secs(5), "{step}");
        }
    }
}

/// F-27 for jobs: requests that create or fill a job are sent once, requests that only read are sent again.
#[tokio::test]
async fn a_job_with_lost_responses_is_created_and_filled_once() {
    let unused = Server::start(|_| json!({}).into()).await;
    let mut jobs = Jobs::start([&unused]).await;
    jobs.sf =
        jobs.sf.with_retry(crate::request::retry::Retry::default().initial_backoff(Duration::from_millis(1)));
    for (step, operation) in steps() {
        let once = |request: &ReceivedRequest| (request.nth == 0).then_some(Reply::Disconnect);
        let outcome = jobs.outcome((step, operation), once).await;
        let (method, end) = step.split_once(' ').unwrap();
        let sent = jobs.server.requests();
        let sent = sent.iter().filter(|request| {
            request.method == method
                && request.target.split('?').next().unwrap_or_default().ends_with(end)
                && !request.body.contains("Aborted")
        });
        match method {
            "GET" | "DELETE" => assert!(outcome.is_ok() && sent.count() == 2, "{step}: {outcome:?}"),
            _ => {
                assert!(
                    matches!(outcome, Err(Error::Http(HttpError::ConnectionLost(_)))),
                    "{step}: {outcome:?}"
                );
                assert!(sent.count() <= 1, "{step}: {:?}", jobs.server.lines());
            }
        }
    }
}

/// A job whose upload is in doubt is returned and logged with the others, and aborted.
#[tokio::test]
async fn a_job_in_doubt_is_reported_and_aborted() {
    let unused = Server::start(|_| json!({}).into()).await;
    let jobs = Jobs::start([&unused]).await;
    for step in ["PUT /batches", "PATCH /jobs/ingest/750D00000004SkGIAU"] {
        *jobs.faulty_step.lock().unwrap() = Some((
            step,
            Box::new(|request| (!request.body.contains("Aborted")).then_some(Reply::Disconnect)),
        ));
        jobs.server.requests.lock().unwrap().clear();
        let load = jobs.sf.bulk("A").delete(stream::iter([ID.parse().unwrap()]));
        let (outcome, log) = crate::test_log::logged(load).await;
        let error = outcome.unwrap_err();
        assert_eq!(error.jobs.iter().map(|job| job.info().id.as_str()).collect::<Vec<_>>(), [JOB], "{step}");
        assert!(jobs.server.requests().last().unwrap().body.contains("Aborted"), "{step}");
        // An app that drops the jobs finds them in its log: one warning per job.
        let error = Error::from(error);
        assert!(matches!(error, Error::Http(HttpError::ConnectionLost(_))), "{step}: {error:?}");
        let warnings: Vec<_> = log.lines().filter(|line| line.contains(" WARN ")).collect();
        assert!(matches!(*warnings, [warning] if warning.contains(JOB)), "{log}");
    }
}

/// A-27 for jobs: addresses in a response about a job are ignored, and a locator is only a value.
#[tokio::test]
async fn addresses_in_a_response_about_a_job_are_not_followed() {
    let evil = Server::start(|_| json!({}).into()).await;
    let target = format!("{}services/data/canary", evil.origin);
    let jobs = Jobs::start([&evil]).await;
    for step in
        ["POST /jobs/ingest", "PUT /batches", "PATCH /jobs/ingest/750D00000004SkGIAU", "POST /jobs/query"]
    {
        let operation = steps().find(|(found, _)| *found == step).unwrap();
        let mut body = job(JOB);
        body["contentUrl"] = json!(target);
        let headers = format!("Content-Type: application/json\r\nLocation: {target}\r\n");
        let response = http_response(201, &headers, body.to_string());
        jobs.outcome(operation, move |_| Some(Reply::Raw(response.clone()))).await.expect(step);
    }
    for locator in [
        &*target,
        "//evil.example",
        "@evil.example/",
        "../../../query?q=x",
        "x&maxRecords=1",
        "x#y",
        "%2e%2e/",
        "\\\\evil.example",
        "x y+z",
    ] {
        let next = locator.to_owned();
        let server = Server::start(move |request| {
            if request.target.ends_with(JOB) {
                return job(JOB).into();
            }
            let next = if request.target.contains("&locator=") { "null" } else { &next };
            let headers = format!("{CSV}Sforce-NumberOfRecords: 1\r\nSforce-Locator: {next}\r\n");
            Reply::Raw(http_response(200, &headers, "Name\nx\n"))
        })
        .await;
        let old = connect_with(&server, [&evil], "57.0".parse().unwrap());
        assert_eq!(all(old.query_job(JOB).unwrap().rows::<Row>()).await.unwrap(), 2, "{locator}");
        let request = server.requests().pop().unwrap();
        let url = server.origin.join(&request.target).unwrap();
        assert_eq!(url.path(), format!("/services/data/v57.0/jobs/query/{JOB}/results"), "{locator}");
        let parameters: Vec<_> = url.query_pairs().into_owned().collect();
        let expected =
            [("maxRecords", "50000"), ("locator", locator)].map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(parameters, expected);
    }
    assert!(evil.lines().is_empty(), "{:?}", evil.lines());
}
