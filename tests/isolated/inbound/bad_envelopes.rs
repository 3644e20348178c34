//! Envelopes that are no outbound message of the settings' org: one response for all of them, nothing in the log that is
//! secret, no handler runs.

use super::*;

/// An envelope with one record.
pub(super) fn envelope(org: &str, record: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
 <soapenv:Body>
  <notifications xmlns="http://soap.sforce.com/2005/09/outbound">
   <OrganizationId>{org}</OrganizationId>
   <ActionId>04kx0000000TN1VAAW</ActionId>
   <SessionId>canary-session-id</SessionId>
   <Notification>
    <Id>04lx000000B8hQpAAJ</Id>
    <sObject xsi:type="sf:Account" xmlns:sf="urn:sobject.enterprise.soap.sforce.com">
     <sf:Id>{record}</sf:Id><sf:Name>canary-name</sf:Name>
    </sObject>
   </Notification>
  </notifications>
 </soapenv:Body>
</soapenv:Envelope>"#
    )
}

#[actix_web::test]
async fn twelve_bad_envelopes_get_the_same_plain_response_and_do_nothing() {
    let other = "8a1b2c0e7d1a4c3b9e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4b";
    let app = Inbound::with(|org, builder| {
        let of_other_org = OutboundMessages::organization("00D000000000009EAA").secret(other);
        builder.outbound_messages(messages(org)).outbound_messages(of_other_org)
    })
    .await;
    let org = app.org.organization_id();
    let good = envelope(&org, "001Fk0000000001");
    let path = format!("/outbound/{SECRET}");
    let changed = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        good.replacen(from, to, 1)
    };
    let laughs = "<?xml version=\"1.0\"?><!DOCTYPE lolz [<!ENTITY a \"canary\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]>";
    let external = "<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>";
    let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";
    let one = &good[good.find("<Notification>").unwrap()..good.find("  </notifications>").unwrap()];
    let envelopes = [
        // Not XML, or more than XML.
        String::new(),
        "canary".to_owned(),
        r#"{"Id":"canary"}"#.to_owned(),
        good[..good.len() - 12].to_owned(),
        changed(head, laughs).replace("canary-name", "&b;"),
        changed(head, external).replace("canary-name", "&x;"),
        changed("canary-name", "&undefined;"),
        changed("canary-name", &"<a>".repeat(100_000)),
        changed("canary-name", &"<a/>".repeat(300_000)),
        changed(
            "<sf:Name>",
            &format!("<sf:Name {}>", (0..50_000).map(|n| format!("a{n}='' ")).collect::<String>()),
        ),
        changed(
            "canary-name",
            &(0..20_000).fold(String::new(), |all, n| all + &format!("<x xmlns:n{n}='u{n}'>")),
        ),
        // Another envelope.
        changed("http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope"),
        changed("http://soap.sforce.com/2005/09/outbound", "http://evil.example/outbound"),
        changed("urn:sobject.enterprise.soap.sforce.com", "urn:evil"),
        changed("sf:Account", "Account"),
        changed("sf:Account", "sf:../canary"),
        changed("<OrganizationId>", "<OrganizationId>00D000000000001EAA</OrganizationId><OrganizationId>"),
        changed(one, ""),
        changed(one, &one.repeat(101)),
        changed("</Notification>", &format!("</Notification>{}", one.replace("sf:Account", "sf:Contact"))),
        // Ids.
        changed(&org, "00D000000000009EAA"),
        changed(&org, "canary"),
        changed("04lx000000B8hQpAAJ", "canary"),
        changed("04lx000000B8hQpAAJ", "04lx000000B8hQpAAK"),
        changed("001Fk0000000001", "canary"),
        changed("<sf:Id>001Fk0000000001</sf:Id>", ""),
    ];
    assert!(envelopes.len() >= 12);
    let first = app.post("/outbound/no-secret", &[], &good).await;
    assert_eq!((first.status, first.json()["code"].as_str()), (401, Some("invalid_call")), "{first:?}");
    let seen = support::logs::text().len();
    for (place, envelope) in envelopes.iter().enumerate() {
        let page = app.post(&path, &[("content-type", "text/xml; charset=UTF-8")], envelope).await;
        assert_eq!((page.status, &page.body), (401, &first.body), "{place}: {page:?}");
    }
    let wide = good.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>();
    let large = [good.as_bytes(), &vec![b' '; 50 * 1024 * 1024]].concat();
    for body in [wide, vec![0xff; 64], large] {
        let response = Client::raw_post(&app.url(&path), body).await;
        assert!(response.is_none_or(|status| status == 401), "{response:?}");
    }
    for headers in [[("content-encoding", "gzip")], [("content-encoding", "br")]] {
        assert_eq!(app.post(&path, &headers, &good).await.status, 401);
    }
    // The secret of another org, a part of the secret, and none.
    for secret in [other, &SECRET[..47], &SECRET.to_uppercase(), "%00", ""] {
        let page = app.post(&format!("/outbound/{secret}"), &[], &good).await;
        assert!(page.status == 401 || (secret.is_empty() && page.status == 404), "{secret}: {page:?}");
    }
    assert_eq!(app.handled(), 0);
    let log = support::logs::text().split_off(seen);
    for secret in ["canary", SECRET, other, "passwd", &org] {
        assert!(!log.contains(secret), "{secret} is logged");
    }
    for reason in [
        "not XML",
        "document type",
        "`notifications`",
        "another org",
        "secret in its path",
        "encoded",
        "5 MiB",
    ] {
        assert!(log.contains(reason), "{reason}");
    }
    // A route without a segment for the secret is the app's mistake, and open to no sender.
    let page = app.post("/outbound-without-secret", &[], &good).await;
    assert_eq!(page.status, 500, "{page:?}");
    assert!(support::logs::text().contains("{secret}"), "the log says what to change");
    assert_eq!(app.post(&path, &[], &good).await.status, 200);
}
