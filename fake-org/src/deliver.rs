//! Outbound messages: a test queues them, lets the org send what is due by its clock, and sees what came back.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde::Serialize;
use url::Url;

use crate::org::FakeOrg;
use crate::outbound::{Definition, Envelope};
use crate::state::Org;

/// Longest wait for the response to an envelope.
const TIMEOUT: Duration = Duration::from_secs(60);

/// An envelope that was sent.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct OutboundAttempt {
    /// The HTTP status of the response; 0 if none came.
    pub status: u16,
    /// Whether the response was an `Ack` of true. Otherwise the notifications are sent again.
    pub acknowledged: bool,
    /// The ids of the notifications.
    pub notification_ids: Vec<String>,
    /// The ids of their records.
    pub record_ids: Vec<String>,
    /// The envelope.
    pub envelope: String,
}

impl FakeOrg {
    /// Queues an outbound message of each record to this `http` URL, with these fields and the values that the records have
    /// when it is sent. Returns the ids of the notifications.
    pub fn queue_outbound_message(
        &self,
        url: &str,
        object: &str,
        fields: &[&str],
        records: &[&str],
    ) -> Vec<String> {
        let definition = Definition {
            url: url.to_owned(),
            object: object.to_owned(),
            fields: fields.iter().map(|field| (*field).to_owned()).collect(),
        };
        let records: Vec<_> = records.iter().map(|id| (*id).to_owned()).collect();
        let now = self.org.clock.now();
        self.org.outbound(|queue| queue.add(definition, &records, now))
    }

    /// Sends all envelopes that are due by the org's clock, one after the other, and blocks meanwhile. What is not
    /// acknowledged is due again after a growing time, for a day.
    pub fn deliver_outbound_messages(&self) -> Vec<OutboundAttempt> {
        deliver(&self.org)
    }

    /// The ids of the notifications that were not acknowledged yet.
    #[must_use]
    pub fn outbound_queue(&self) -> Vec<String> {
        self.org.outbound(|queue| queue.waiting())
    }

    /// Sends later notifications first, or in the order of their records' changes again.
    pub fn reverse_outbound_messages(&self, on: bool) {
        self.org.outbound(|queue| queue.reversed = on);
    }
}

/// Sends what is due.
pub(crate) fn deliver(org: &Org) -> Vec<OutboundAttempt> {
    org.due_envelopes().into_iter().map(|envelope| send(org, envelope)).collect()
}

fn send(org: &Org, envelope: Envelope) -> OutboundAttempt {
    // What fails is as good as no response.
    let (status, body) = post(&envelope.url, &envelope.body).unwrap_or_default();
    let acknowledged = status == 200 && is_ack(&body);
    org.outbound(|queue| queue.came_back(&envelope.ids, acknowledged, org.clock.now()));
    OutboundAttempt {
        status,
        acknowledged,
        notification_ids: envelope.ids,
        record_ids: envelope.record_ids,
        envelope: envelope.body,
    }
}

/// Whether a response is the envelope that acknowledges. Salesforce parses it as XML ("Content is not allowed in prolog").
fn is_ack(body: &str) -> bool {
    let outbound = "http://soap.sforce.com/2005/09/outbound";
    roxmltree::Document::parse(body).is_ok_and(|document| {
        let mut acks = document.descendants().filter(|node| node.has_tag_name((outbound, "Ack")));
        acks.next().and_then(|ack| ack.text()).is_some_and(|text| text.trim() == "true")
    })
}

fn post(url: &str, body: &str) -> io::Result<(u16, String)> {
    let url = Url::parse(url).map_err(io::Error::other)?;
    let (Some(host), "http") = (url.host_str(), url.scheme()) else {
        return Err(io::Error::other("expected an http URL"));
    };
    let address = format!("{host}:{}", url.port_or_known_default().unwrap_or(80));
    let mut stream = TcpStream::connect(&address)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: {address}\r\nContent-Type: text/xml; charset=UTF-8\r\nSOAPAction: \"\"\r\n\
         User-Agent: Jakarta Commons-HttpClient/3.1\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        url.path(),
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body.as_bytes()].concat())?;
    let mut response = Vec::new();
    stream.read_to_end(&mut response)?;
    let response = String::from_utf8_lossy(&response).into_owned();
    let (head, body) = response.split_once("\r\n\r\n").ok_or(io::ErrorKind::InvalidData)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Ok((status, body.to_owned()))
}
