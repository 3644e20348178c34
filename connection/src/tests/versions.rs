//! API versions: the org's newest, and warnings about old ones.

use crate::tests::*;
use crate::{
    composite::{Graph, Subrequest},
    error::{Error, InvalidResponse},
    org::VersionSupport,
    test_log::logged,
    token::FixedToken,
    version::VersionChoice,
};

fn versions(numbers: &[&str]) -> Value {
    let info = |number: &&str| json!({ "label": "L", "url": format!("/services/data/v{number}"), "version": number, "new": 1 });
    numbers.iter().map(info).collect()
}

#[tokio::test(start_paused = true)]
async fn the_newest_version_of_an_org_is_asked_for_once_an_hour() {
    let newest = Arc::new(Mutex::new("67.0"));
    let list = Arc::clone(&newest);
    // Neither the order nor odd entries matter.
    let server =
        Server::start(move |_| versions(&["66.0", *list.lock().unwrap(), "beta", "31.0"]).into()).await;
    let sf = connect(&server);
    assert_eq!(sf.newest_version().await.unwrap().to_string(), "67.0");
    *newest.lock().unwrap() = "68.0";
    assert_eq!(sf.with_newest_version().await.unwrap().api_version().to_string(), "67.0");
    assert_eq!(server.lines(), ["GET /services/data/"]);
    tokio::time::advance(Duration::from_secs(3601)).await;
    assert_eq!(sf.with_newest_version().await.unwrap().api_version().to_string(), "68.0");
    assert_eq!((server.count("GET"), sf.api_version()), (2, ApiVersion::CURRENT));
}

#[tokio::test]
async fn an_org_without_a_known_version_is_an_error() {
    let server = Server::start(|_| versions(&["beta", "45.0"]).into()).await;
    let error = connect(&server).newest_version().await.unwrap_err();
    assert!(matches!(error, Error::InvalidResponse(InvalidResponse::Unexpected(_))), "{error}");
}

#[tokio::test]
async fn a_version_is_near_its_end_after_three_years() {
    let server = Server::start(|_| versions(&["46.0", "58.0", "59.0", "66.0", "67.0"]).into()).await;
    for (version, expected) in [
        ("67", VersionSupport::Supported),
        ("59", VersionSupport::Supported),
        ("58", VersionSupport::NearEnd),
        ("46", VersionSupport::NearEnd),
        ("60", VersionSupport::Unavailable),
        ("68", VersionSupport::Unavailable),
    ] {
        let sf = connect_with(&server, [], version.parse().unwrap());
        assert_eq!(sf.version_support().await.unwrap(), expected, "{version}");
    }
}

#[tokio::test]
async fn salesforces_warning_about_a_version_is_logged_once_and_stays_readable() {
    const WARNING: &str =
        "Warning: 299 - \"This API is deprecated and will be removed by Summer '28. See \"help\".\"";
    let server = Server::start(|request| match &*request.target {
        "/services/data/v60.0/limits" => Reply::WithHeader(200, WARNING, "{}".into()),
        "/services/data/v31.0/limits" => Reply::WithHeader(404, "Warning: 299 - soon", "[]".into()),
        "/services/data/v50.0/limits" => Reply::WithHeader(200, "Warning: 199 - \"other\"", "{}".into()),
        _ => Reply::WithHeader(200, WARNING, "{}".into()),
    })
    .await;
    let sf = connect(&server);
    let (_, log) = logged(async {
        for _ in 0..2 {
            sf.with_api_version("60".parse().unwrap()).get("limits").send().await.unwrap();
            sf.with_api_version("50".parse().unwrap()).get("limits").send().await.unwrap();
            sf.get("/services/data/v31.0/limits").send().await.unwrap_err();
            // An Apex class may send any header.
            sf.apex_rest("GET", "x").send().await.unwrap();
        }
    })
    .await;
    let warnings: Vec<_> = log.lines().filter(|line| line.contains("WARN")).collect();
    assert_eq!(warnings.len(), 2, "{log}");
    assert!(warnings[0].contains("version=60.0") && warnings[1].contains("version=31.0"), "{log}");
    assert!(!log.contains("Summer"), "{log}");
    let found: Vec<_> = sf.deprecations().into_iter().map(|one| (one.version, one.message)).collect();
    let message = "This API is deprecated and will be removed by Summer '28. See \"help\".".to_owned();
    assert_eq!(found, [("31.0".to_owned(), "- soon".to_owned()), ("60.0".to_owned(), message)]);
}

#[tokio::test(start_paused = true)]
async fn a_client_can_use_the_newest_version_of_each_org() {
    let newest = Arc::new(Mutex::new(Some("67.0")));
    let list = Arc::clone(&newest);
    let server = Server::start(move |request| match (&*request.target, *list.lock().unwrap()) {
        ("/services/data/", Some(newest)) => versions(&["66.0", newest]).into(),
        ("/services/data/", None) => api_error(500, "DOWN", "m"),
        _ => json!({}).into(),
    })
    .await;
    let client = Client::builder().allowed_hosts(AllowedHosts::new([server.origin.clone()]));
    let client = client.api_version(VersionChoice::Newest).build().unwrap();
    let user = UserRef::new(ORG.parse().unwrap(), USER.parse().unwrap());
    let token = FixedToken::new(user, server.origin.clone(), &Secret::new("x")).unwrap();
    let sf = Connection::new(&client, Arc::new(token));
    let both = futures_util::future::join(sf.limits(), sf.get("limits").send()).await;
    assert!(both.0.is_ok() && both.1.is_ok());
    assert_eq!(server.count("GET /services/data/v67.0/limits"), 2);
    assert_eq!(sf.api_version().to_string(), "67.0");
    // What the program names stays.
    sf.get("/services/data/v66.0/limits").send().await.unwrap();
    sf.with_api_version(ApiVersion::CURRENT).limits().await.unwrap();
    assert_eq!(server.count("GET /services/data/v66.0/limits"), 2);
    assert_eq!(server.lines().iter().filter(|line| *line == "GET /services/data/").count(), 1);

    *newest.lock().unwrap() = Some("68.0");
    tokio::time::advance(Duration::from_secs(3601)).await;
    sf.limits().await.unwrap();
    assert_eq!(server.count("GET /services/data/v68.0/limits"), 1);
    // An org that does not list its versions keeps the known one.
    *newest.lock().unwrap() = None;
    tokio::time::advance(Duration::from_secs(3601)).await;
    sf.limits().await.unwrap();
    assert_eq!(server.count("GET /services/data/v68.0/limits"), 2);
}

/// The version stands in the URLs of the parts, too, and in the key of the cache.
#[tokio::test]
async fn a_first_request_has_the_newest_version_in_its_parts() {
    async fn sent_to(server: &Server, first: impl AsyncFnOnce(Connection)) -> Vec<String> {
        let before = server.requests().len();
        let client = Client::builder().allowed_hosts(AllowedHosts::new([server.origin.clone()]));
        let client = client.api_version(VersionChoice::Newest).build().unwrap();
        let user = UserRef::new(ORG.parse().unwrap(), USER.parse().unwrap());
        let token = FixedToken::new(user, server.origin.clone(), &Secret::new("x")).unwrap();
        first(Connection::new(&client, Arc::new(token))).await;
        let sent = server.requests().split_off(before);
        sent.into_iter().skip(1).map(|request| format!("{} {}", request.target, request.body)).collect()
    }
    let server = Server::start(|request| match &*request.target {
        "/services/data/" => versions(&["66.0", "67.0"]).into(),
        _ => Reply::Disconnect,
    })
    .await;
    let part = || Subrequest::<Value>::request("GET", "limits", None).unwrap();
    let sent = [
        sent_to(&server, async |sf| {
            let mut composite = sf.composite();
            composite.add(part()).unwrap();
            composite.send().await.unwrap_err();
        })
        .await,
        sent_to(&server, async |sf| {
            let mut batch = sf.batch();
            batch.add(part()).unwrap();
            batch.send().await.unwrap_err();
        })
        .await,
        sent_to(&server, async |sf| {
            let mut graph = Graph::new();
            graph.add(part()).unwrap();
            sf.graphs([graph]).await.unwrap_err();
        })
        .await,
        sent_to(&server, async |sf| {
            let soql = format!("SELECT Id FROM Account WHERE Name = '{}'", "x".repeat(9_000));
            sf.query::<Value>(soql).page().await.unwrap_err();
        })
        .await,
    ];
    for sent in sent {
        assert!(sent[0].contains("v67.0/limits") || sent[0].contains("v67.0/query?q="), "{}", sent[0]);
        assert!(sent.iter().all(|request| !request.contains("v66.0")), "{sent:?}");
    }

    let server = Server::start(|request| match &*request.target {
        "/services/data/" => versions(&["66.0", "67.0"]).into(),
        _ => json!({ "sobjects": [] }).into(),
    })
    .await;
    let sent = sent_to(&server, async |sf| {
        sf.describe_global().await.unwrap();
        sf.describe_global().await.unwrap();
    })
    .await;
    assert_eq!(sent, ["/services/data/v67.0/sobjects "], "the second one is in the cache");
}

#[tokio::test]
async fn a_version_near_its_end_is_a_warning_when_the_client_is_built() {
    for (version, is_warned) in [("59", true), ("46", true), ("60", false), ("68", false)] {
        let version: ApiVersion = version.parse().unwrap();
        let (_, log) = logged(async { Client::builder().api_version(version).build().unwrap() }).await;
        assert_eq!(log.contains("over three years old"), is_warned, "{version}: {log}");
    }
    assert_eq!("Newest".parse::<VersionChoice>().unwrap(), VersionChoice::Newest);
    assert!("newer".parse::<VersionChoice>().is_err() && "45".parse::<VersionChoice>().is_err());
}
