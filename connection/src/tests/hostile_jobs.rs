//! Hostile and broken answers to each request that a bulk job is made of.

use futures_util::stream;

use crate::tests::*;
use crate::{
    error::Error,
    http::error::HttpError,
    tests::{
        hostile::{ID, Row, Run, answer, calls, check, gzip},
        hostile_bulk::{CSV, JOB, all, job},
    },
};

/// The requests of jobs by method and end of path, each with a call that comes to it when all before it go well.
fn steps() -> impl Iterator<Item = (&'static str, Run)> {
    let steps = calls! {
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

/// Loads a record: the job is made, filled and closed, and found to be done.
async fn load(sf: Connection) -> crate::error::Result<()> {
    let rows = stream::iter([ID.parse().unwrap()]);
    sf.bulk("A").delete(rows).await.map(drop).map_err(|error| error.source)
}

/// An organization whose jobs go well, but for one request.
struct Jobs {
    server: Server,
    bad: Bad,
    sf: Connection,
}

/// Which request is answered how.
type Bad = Arc<Mutex<Option<(&'static str, Box<dyn Fn(&Seen) -> Option<Reply> + Send + Sync>)>>>;

impl Jobs {
    async fn start(others: [&Server; 1]) -> Self {
        let bad = Bad::default();
        let asked = Arc::clone(&bad);
        let server = Server::start(move |seen| {
            let path = seen.target.split('?').next().unwrap_or_default();
            let bad = match &*asked.lock().unwrap() {
                Some((step, reply)) => {
                    let (method, end) = step.split_once(' ').unwrap();
                    if seen.method == method && path.ends_with(end) { reply(seen) } else { None }
                }
                None => None,
            };
            bad.unwrap_or_else(|| match (&*seen.method, path.rsplit('/').next().unwrap_or_default()) {
                ("PUT", _) => Reply::Answer(201, String::new()),
                ("DELETE", _) => Reply::Answer(204, String::new()),
                (_, "resultPages") => {
                    let page = format!("services/data/v66.0/jobs/query/{JOB}/results?locator=x");
                    json!({"resultPages": [{"resultUrl": page}], "done": true}).into()
                }
                (_, end) if end.to_lowercase().ends_with("results") || end == "unprocessedrecords" => {
                    let headers = format!("{CSV}Sforce-NumberOfRecords: 0\r\nSforce-Locator: null\r\n");
                    Reply::Raw(answer(200, &headers, "Name\n"))
                }
                _ => job(JOB).into(),
            })
        })
        .await;
        let sf = connect_allowing(&server, others);
        let sf = sf.with_timeout(Duration::from_secs(20)).with_retry(crate::request::retry::Retry::none());
        Self { server, bad, sf }
    }

    /// What comes of a call when that request is answered so.
    async fn outcome(
        &self,
        (step, run): (&'static str, Run),
        reply: impl Fn(&Seen) -> Option<Reply> + Send + Sync + 'static,
    ) -> crate::error::Result<()> {
        *self.bad.lock().unwrap() = Some((step, Box::new(reply)));
        self.server.seen.lock().unwrap().clear();
        run(self.sf.clone()).await
    }
}

#[tokio::test]
async fn what_salesforce_says_about_a_job_reaches_the_caller() {
    let nobody = Server::start(|_| json!({}).into()).await;
    let jobs = Jobs::start([&nobody]).await;
    for (step, run) in steps() {
        jobs.outcome((step, run), |_| None).await.expect(step);
        let refusal = |_: &Seen| Some(refused(400, "INVALIDJOBSTATE", "canary"));
        let error = jobs.outcome((step, run), refusal).await.expect_err(step);
        assert_eq!((error.status(), &*error.api_errors()[0].code), (Some(400), "INVALIDJOBSTATE"), "{step}");
        check(step, "a refusal", &error);
        let limit = |_: &Seen| Some(refused(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."));
        // A pause for the organization follows, so that each has one of its own.
        let fresh = Jobs::start([&nobody]).await;
        let error = fresh.outcome((step, run), limit).await.expect_err(step);
        assert!(matches!(error, Error::LimitExceeded { .. }), "{step}: {error:?}");
    }
}

/// A-28 for jobs.
#[tokio::test]
async fn no_request_of_a_job_follows_a_redirect() {
    let evil = Server::start(|_| json!({}).into()).await;
    let jobs = Jobs::start([&evil]).await;
    for status in [301, 302, 303, 307, 308] {
        for (step, run) in steps() {
            let headers = format!("Location: {}services/data/canary\r\n", evil.origin);
            let redirect = move |_: &Seen| Some(Reply::Raw(answer(status, &headers, "")));
            let error = jobs.outcome((step, run), redirect).await.expect_err(step);
            assert!(matches!(error, Error::Http(HttpError::Redirect(s)) if s == status), "{step}: {error:?}");
            check(step, "a redirect", &error);
        }
    }
    assert!(evil.lines().is_empty());
}

/// A-33 for jobs: what is read whole ends at the cap, rows at the largest record.
#[tokio::test]
async fn a_bomb_in_an_answer_about_a_job_stops_at_the_cap() {
    let nobody = Server::start(|_| json!({}).into()).await;
    let jobs = Jobs::start([&nobody]).await;
    let bomb = gzip(&vec![b' '; 40 << 20]);
    let heads = |kind: &str| {
        format!("Content-Type: {kind}\r\nContent-Encoding: gzip\r\nSforce-NumberOfRecords: 1\r\n")
    };
    for (step, kind) in [
        ("PUT /batches", "application/json"),
        ("GET /jobs/ingest/750D00000004SkGIAU", "application/json"),
        ("GET /resultPages", "application/json"),
        ("GET /results", "text/csv"),
        ("GET /failedResults", "text/csv"),
    ] {
        let run = steps().find(|(found, _)| *found == step).unwrap();
        let whole = answer(200, &heads(kind), &bomb);
        let error = jobs.outcome(run, move |_| Some(Reply::Raw(whole.clone()))).await.expect_err(step);
        match kind {
            "text/csv" => assert!(matches!(error, Error::InvalidResponse(_)), "{step}: {error:?}"),
            _ => assert!(matches!(error, Error::Http(HttpError::TooLarge)), "{step}: {error:?}"),
        }
    }
    for (step, run) in steps() {
        let kind = if step.ends_with("esults") || step.ends_with("records") {
            "text/csv"
        } else {
            "application/json"
        };
        let whole = answer(200, &heads(kind), "canary, and no gzip");
        let error =
            jobs.outcome((step, run), move |_| Some(Reply::Raw(whole.clone()))).await.expect_err(step);
        assert!(matches!(error, Error::Http(HttpError::Undecodable(_))), "{step}: {error:?}");
        check(step, "no gzip", &error);
    }
}

/// A-33 for jobs.
#[tokio::test]
async fn no_request_of_a_job_waits_longer_than_its_deadline() {
    let nobody = Server::start(|_| json!({}).into()).await;
    let mut jobs = Jobs::start([&nobody]).await;
    jobs.sf = jobs.sf.with_timeout(Duration::from_millis(200));
    for start in [
        "",
        "HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nSforce-NumberOfRecords: 2\r\nContent-Length: 100\r\n\r\nName\nx",
    ] {
        for (step, run) in steps() {
            let began = std::time::Instant::now();
            let error = jobs.outcome((step, run), move |_| Some(Reply::Hang(start))).await.expect_err(step);
            assert!(matches!(error, Error::Http(HttpError::Timeout)), "{step}: {error:?}");
            assert!(began.elapsed() < Duration::from_secs(5), "{step}");
        }
    }
}

/// F-27 for jobs: what would make or fill another job is sent once; what only reads is asked again.
#[tokio::test]
async fn a_job_whose_answers_are_lost_is_made_and_filled_once() {
    let nobody = Server::start(|_| json!({}).into()).await;
    let mut jobs = Jobs::start([&nobody]).await;
    jobs.sf =
        jobs.sf.with_retry(crate::request::retry::Retry::default().initial_backoff(Duration::from_millis(1)));
    for (step, run) in steps() {
        let once = |seen: &Seen| (seen.nth == 0).then_some(Reply::Hangup);
        let outcome = jobs.outcome((step, run), once).await;
        let (method, end) = step.split_once(' ').unwrap();
        let asked = jobs.server.seen();
        let asked = asked.iter().filter(|seen| {
            seen.method == method
                && seen.target.split('?').next().unwrap_or_default().ends_with(end)
                && !seen.body.contains("Aborted")
        });
        match method {
            "GET" | "DELETE" => assert!(outcome.is_ok() && asked.count() == 2, "{step}: {outcome:?}"),
            _ => {
                assert!(
                    matches!(outcome, Err(Error::Http(HttpError::ConnectionLost(_)))),
                    "{step}: {outcome:?}"
                );
                assert!(asked.count() <= 1, "{step}: {:?}", jobs.server.lines());
            }
        }
    }
}

/// A job whose upload is in doubt is returned and logged with the others, and aborted.
#[tokio::test]
async fn a_job_that_may_have_its_data_is_not_forgotten() {
    let nobody = Server::start(|_| json!({}).into()).await;
    let jobs = Jobs::start([&nobody]).await;
    for step in ["PUT /batches", "PATCH /jobs/ingest/750D00000004SkGIAU"] {
        *jobs.bad.lock().unwrap() =
            Some((step, Box::new(|seen| (!seen.body.contains("Aborted")).then_some(Reply::Hangup))));
        jobs.server.seen.lock().unwrap().clear();
        let load = jobs.sf.bulk("A").delete(stream::iter([ID.parse().unwrap()]));
        let (outcome, log) = crate::test_log::logged(load).await;
        let error = outcome.unwrap_err();
        assert_eq!(error.jobs.iter().map(|job| job.info().id.as_str()).collect::<Vec<_>>(), [JOB], "{step}");
        assert!(jobs.server.seen().last().unwrap().body.contains("Aborted"), "{step}");
        // An app that drops the jobs finds them in its log: one warning per job.
        let error = Error::from(error);
        assert!(matches!(error, Error::Http(HttpError::ConnectionLost(_))), "{step}: {error:?}");
        let warnings: Vec<_> = log.lines().filter(|line| line.contains(" WARN ")).collect();
        assert!(matches!(*warnings, [warning] if warning.contains(JOB)), "{log}");
    }
}

/// A-27 for jobs: addresses in an answer about a job lead nowhere, and a locator is a value, whatever it says.
#[tokio::test]
async fn no_answer_about_a_job_says_where_to_call() {
    let evil = Server::start(|_| json!({}).into()).await;
    let target = format!("{}services/data/canary", evil.origin);
    let jobs = Jobs::start([&evil]).await;
    for step in
        ["POST /jobs/ingest", "PUT /batches", "PATCH /jobs/ingest/750D00000004SkGIAU", "POST /jobs/query"]
    {
        let run = steps().find(|(found, _)| *found == step).unwrap();
        let mut body = job(JOB);
        body["contentUrl"] = json!(target);
        let headers = format!("Content-Type: application/json\r\nLocation: {target}\r\n");
        let whole = answer(201, &headers, body.to_string());
        jobs.outcome(run, move |_| Some(Reply::Raw(whole.clone()))).await.expect(step);
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
        let server = Server::start(move |seen| {
            if seen.target.ends_with(JOB) {
                return job(JOB).into();
            }
            let next = if seen.target.contains("&locator=") { "null" } else { &next };
            let headers = format!("{CSV}Sforce-NumberOfRecords: 1\r\nSforce-Locator: {next}\r\n");
            Reply::Raw(answer(200, &headers, "Name\nx\n"))
        })
        .await;
        let old = connect_with(&server, [&evil], "57.0".parse().unwrap());
        assert_eq!(all(old.query_job(JOB).unwrap().rows::<Row>()).await.unwrap(), 2, "{locator}");
        let asked = server.seen().pop().unwrap();
        let url = server.origin.join(&asked.target).unwrap();
        assert_eq!(url.path(), format!("/services/data/v57.0/jobs/query/{JOB}/results"), "{locator}");
        let asked: Vec<_> = url.query_pairs().into_owned().collect();
        let expected =
            [("maxRecords", "50000"), ("locator", locator)].map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(asked, expected);
    }
    assert!(evil.lines().is_empty(), "{:?}", evil.lines());
}
