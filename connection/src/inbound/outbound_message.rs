//! [`OutboundEnvelope`]: the SOAP message of a flow's or a workflow's outbound message (Salesforce Help "Outbound
//! Messages", SOAP API Developer Guide "Outbound Messaging").

use std::fmt;

use roxmltree::{Document, Node, ParsingOptions};
use serde::de::DeserializeOwned;

use super::{values, xml_limits};
use crate::{OrgId, SalesforceId};

/// Largest envelope in bytes that is read.
const MAX_BYTES: usize = 5 * 1024 * 1024;
/// Most notifications of an envelope (Salesforce Help).
const MAX_NOTIFICATIONS: usize = 100;
/// Most nodes of the parsed document. Tags, texts and attributes of an envelope within the limits.
const MAX_NODES: u32 = 1_000_000;

const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const OUTBOUND: &str = "http://soap.sforce.com/2005/09/outbound";
const SOBJECT: &str = "urn:sobject.enterprise.soap.sforce.com";
const INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// An outbound message as it came. Nothing in it is proved: who knows the address can send any envelope.
///
/// The session id, which Salesforce no longer sends since February 2026, is not read.
#[derive(Clone)]
#[non_exhaustive]
pub struct OutboundEnvelope {
    /// The org that the envelope claims to come from.
    pub organization: OrgId,
    /// The outbound message's definition.
    pub action_id: SalesforceId,
    /// The object of all records, for example `Account`.
    pub object: String,
    /// One to a hundred notifications, in the order of the envelope.
    pub notifications: Vec<Notification>,
}

/// One record of an outbound message.
#[derive(Clone)]
#[non_exhaustive]
pub struct Notification {
    /// The notification. Repeats have the same id.
    pub id: SalesforceId,
    /// The record.
    pub record_id: SalesforceId,
    fields: Vec<(String, Option<String>)>,
}

/// Without the values.
impl fmt::Debug for OutboundEnvelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboundEnvelope")
            .field("organization", &self.organization)
            .field("object", &self.object)
            .field("notifications", &self.notifications.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Notification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notification").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Why an envelope is refused. Repeats nothing of it.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidEnvelope {
    /// It is larger than 5 MiB.
    #[error("it is larger than 5 MiB")]
    TooLarge,
    /// It has a document type, or is nested or long beyond an envelope of Salesforce.
    #[error("it has a document type, or more elements than an envelope of Salesforce")]
    Limits,
    /// It is not XML in UTF-8.
    #[error("it is not XML in UTF-8")]
    Xml,
    /// An element is missing, stands twice, or is in another namespace.
    #[error("its element `{0}` is missing or invalid")]
    Element(&'static str),
    /// It has no notification, or more than a hundred.
    #[error("it has no notification or more than {MAX_NOTIFICATIONS}")]
    Count,
}

crate::debug::debug_as_display!(InvalidEnvelope);

/// A record's values do not fit into the type. Repeats none of them.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the values of an outbound message do not fit: {0}")]
pub struct InvalidValues(pub(super) String);

impl OutboundEnvelope {
    /// Reads the body of a request: XML in UTF-8, without a document type and within the limits of an envelope.
    ///
    /// # Errors
    /// [`InvalidEnvelope`].
    pub fn parse(body: &[u8]) -> Result<Self, InvalidEnvelope> {
        if body.len() > MAX_BYTES {
            return Err(InvalidEnvelope::TooLarge);
        }
        let text = std::str::from_utf8(body).map_err(|_| InvalidEnvelope::Xml)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if xml_limits::are_exceeded(text) {
            return Err(InvalidEnvelope::Limits);
        }
        let options = ParsingOptions { nodes_limit: MAX_NODES, ..ParsingOptions::default() };
        let document = Document::parse_with_options(text, options).map_err(|_| InvalidEnvelope::Xml)?;
        let envelope = document.root_element();
        if !envelope.has_tag_name((SOAP, "Envelope")) {
            return Err(InvalidEnvelope::Element("Envelope"));
        }
        let body = only(envelope, SOAP, "Body")?;
        let notifications = only(body, OUTBOUND, "notifications")?;
        let organization = text_of(only(notifications, OUTBOUND, "OrganizationId")?);
        let action = text_of(only(notifications, OUTBOUND, "ActionId")?);
        let mut object = None;
        let mut read = Vec::new();
        for node in children(notifications).filter(|node| node.has_tag_name((OUTBOUND, "Notification"))) {
            if read.len() == MAX_NOTIFICATIONS {
                return Err(InvalidEnvelope::Count);
            }
            let (name, notification) = notification(node)?;
            if *object.get_or_insert_with(|| name.clone()) != name {
                return Err(InvalidEnvelope::Element("sObject"));
            }
            read.push(notification);
        }
        Ok(Self {
            organization: organization.parse().map_err(|_| InvalidEnvelope::Element("OrganizationId"))?,
            action_id: action.parse().map_err(|_| InvalidEnvelope::Element("ActionId"))?,
            object: object.ok_or(InvalidEnvelope::Count)?,
            notifications: read,
        })
    }
}

impl Notification {
    /// Reads the values that the record had when it was sent, as the sender claims. Fields that are null are left out by
    /// Salesforce.
    ///
    /// # Errors
    /// [`InvalidValues`].
    pub fn values<T: DeserializeOwned>(&self) -> Result<T, InvalidValues> {
        values::read(&self.fields)
    }
}

fn notification(node: Node<'_, '_>) -> Result<(String, Notification), InvalidEnvelope> {
    let invalid = |_| InvalidEnvelope::Element("Notification");
    let id = text_of(only(node, OUTBOUND, "Id")?).parse().map_err(invalid)?;
    let object = only(node, OUTBOUND, "sObject")?;
    let name = object.attribute((INSTANCE, "type")).and_then(|name| {
        let (prefix, name) = name.split_once(':')?;
        let is_object = object.lookup_namespace_uri(Some(prefix)) == Some(SOBJECT);
        (is_object && is_name(name)).then(|| name.to_owned())
    });
    let name = name.ok_or(InvalidEnvelope::Element("sObject"))?;
    let record_id = text_of(only(object, SOBJECT, "Id")?);
    let record_id = record_id.parse().map_err(|_| InvalidEnvelope::Element("sObject"))?;
    let fields = children(object).filter(|field| field.tag_name().namespace() == Some(SOBJECT));
    let fields = fields.map(|field| {
        let is_nil = matches!(field.attribute((INSTANCE, "nil")), Some("true" | "1"));
        (field.tag_name().name().to_owned(), (!is_nil).then(|| text_of(field)))
    });
    Ok((name, Notification { id, record_id, fields: fields.collect() }))
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn children<'a, 'input>(node: Node<'a, 'input>) -> impl Iterator<Item = Node<'a, 'input>> {
    node.children().filter(Node::is_element)
}

/// Returns the one child of this name.
fn only<'a, 'input>(
    node: Node<'a, 'input>,
    namespace: &'static str,
    name: &'static str,
) -> Result<Node<'a, 'input>, InvalidEnvelope> {
    let mut found = children(node).filter(|child| child.has_tag_name((namespace, name)));
    match (found.next(), found.next()) {
        (Some(child), None) => Ok(child),
        _ => Err(InvalidEnvelope::Element(name)),
    }
}

/// Returns the text of an element. A part may be in CDATA.
fn text_of(node: Node<'_, '_>) -> String {
    node.children().filter(Node::is_text).filter_map(|text| text.text()).collect()
}
