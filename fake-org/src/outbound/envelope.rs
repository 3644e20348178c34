//! The SOAP envelope of an outbound message. Fields that are null are left out; the session id is nil since February 2026
//! (H 005232763).

use serde_json::Value;

use super::Definition;
use crate::state::Org;
use crate::web::escape;

impl Org {
    /// The element `sObject` with the latest values; `None` if the record is gone.
    pub(super) fn sobject(&self, definition: &Definition, record_id: &str) -> Option<String> {
        self.data.with(|data| {
            let object = data.schema.object(&definition.object)?;
            let names = std::iter::once("Id").chain(definition.fields.iter().map(String::as_str));
            let fields: Option<Vec<_>> = names.map(|name| object.field(name)).collect();
            let record = data.record(object, record_id, &fields?).ok()?;
            let mut xml = format!(
                "<sObject xsi:type=\"sf:{}\" xmlns:sf=\"urn:sobject.enterprise.soap.sforce.com\">",
                object.name
            );
            for (name, value) in &record {
                let text = match value {
                    Value::Null => continue,
                    Value::String(text) => soap_text(text),
                    other => other.to_string(),
                };
                xml.push_str(&format!("<sf:{name}>{}</sf:{name}>", escape(&text)));
            }
            xml.push_str("</sObject>");
            Some(xml)
        })
    }

    /// The whole envelope, of notification ids and their `sObject`.
    pub(super) fn envelope<'a>(
        &self,
        action_id: &str,
        notifications: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> String {
        let (organization, instance) = (self.organization_id(), self.instance_url());
        let org15 = organization.get(..15).unwrap_or(&organization);
        let mut xml = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<soapenv:Envelope \
             xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
             xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" \
             xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\n <soapenv:Body>\n  <notifications \
             xmlns=\"http://soap.sforce.com/2005/09/outbound\">\n   <OrganizationId>{organization}</OrganizationId>\n   \
             <ActionId>{action_id}</ActionId>\n   <SessionId xsi:nil=\"true\"/>\n   \
             <EnterpriseUrl>{instance}/services/Soap/c/67.0/{org15}</EnterpriseUrl>\n   \
             <PartnerUrl>{instance}/services/Soap/u/67.0/{org15}</PartnerUrl>\n"
        );
        for (id, sobject) in notifications {
            xml.push_str(&format!(
                "   <Notification>\n    <Id>{id}</Id>\n    {sobject}\n   </Notification>\n"
            ));
        }
        xml.push_str("  </notifications>\n </soapenv:Body>\n</soapenv:Envelope>");
        xml
    }
}

/// A datetime as SOAP writes it: `2026-11-29T10:41:57.000Z`, where REST has `+0000`.
fn soap_text(text: &str) -> String {
    let is_datetime = text.len() == 28 && text.as_bytes().get(10) == Some(&b'T') && text.ends_with("+0000");
    match text.strip_suffix("+0000") {
        Some(datetime) if is_datetime => format!("{datetime}Z"),
        _ => text.to_owned(),
    }
}
