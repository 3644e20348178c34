//! Settings of what Salesforce sends to the app. Feature `inbound`.

mod caller;
mod client_certificate;
mod data_cloud;
mod outbound;

pub use self::{
    caller::Caller, client_certificate::ClientCertificateHeader, data_cloud::DataCloud,
    outbound::OutboundMessages,
};
pub(crate) use self::{
    caller::CheckedCaller,
    client_certificate::{CertificateHeader, Fingerprint, fingerprint},
    data_cloud::DataCloudSender,
    outbound::OutboundSender,
};

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{Config, ConfigProblem, check::Check};
use salesforce_connection::{
    OrgId,
    inbound::{CallRules, CallVerifier},
    oauth::LoginHost,
};

/// Who may call the app from Salesforce. Default: no sender.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct InboundConfig {
    /// The callers with a Named Credential, each with its certificates. From the environment: one, by
    /// `SALESFORCE_CALLER_ORG` and the variables beside it.
    pub callers: Vec<Caller>,
    /// The orgs whose outbound messages the app takes. From the environment: one, by `SALESFORCE_OUTBOUND_ORG` and
    /// `SALESFORCE_OUTBOUND_SECRETS`.
    pub outbound_messages: Vec<OutboundMessages>,
    /// The orgs whose Data 360 events the app takes. From the environment: one, by `SALESFORCE_DATA_CLOUD_ORG` and
    /// `SALESFORCE_DATA_CLOUD_KEYS`.
    pub data_cloud: Vec<DataCloud>,
    /// The ids of the orgs for which the app runs behind the side-car of Heroku AppLink. Default: none, a context of
    /// AppLink is refused.
    pub applink: Vec<String>,
    /// Where a proxy says which certificate its client showed. Default: none.
    pub client_certificate_header: Option<ClientCertificateHeader>,
    /// Variables that name members of one sender where the settings have several.
    #[serde(skip)]
    ambiguous_variables: Vec<&'static str>,
}

/// The checked settings.
#[derive(Debug, Default)]
pub(crate) struct Inbound {
    pub(crate) verifier: CallVerifier,
    /// In the order of the verifier's rules.
    pub(crate) callers: Vec<CheckedCaller>,
    pub(crate) outbound: Vec<OutboundSender>,
    pub(crate) data_cloud: Vec<DataCloudSender>,
    pub(crate) applink: Vec<OrgId>,
    pub(crate) certificate_header: Option<CertificateHeader>,
}

impl Inbound {
    /// Returns the login hosts that tokens of callers are requested at.
    pub(crate) fn login_hosts(&self) -> impl Iterator<Item = &LoginHost> {
        self.callers.iter().filter_map(|caller| Some(&caller.jwt_bearer.as_ref()?.host))
    }
}

impl InboundConfig {
    /// Replaces members of the only sender of a kind by those that variables name; without a sender they make one. With
    /// several they could mean each: the check reports them.
    pub(super) fn replace_by(&mut self, variable: impl Fn(&str) -> Option<String>) {
        let variable: &Variables = &variable;
        let ambiguous = [
            replace_members(&mut self.callers, caller::NAMED_ORG, Caller::replace_by, variable),
            replace_members(
                &mut self.outbound_messages,
                outbound::NAMED_ORG,
                OutboundMessages::replace_by,
                variable,
            ),
            replace_members(&mut self.data_cloud, data_cloud::NAMED_ORG, DataCloud::replace_by, variable),
        ];
        self.ambiguous_variables = ambiguous.concat();
    }

    /// Removes what surrounds the values.
    pub(super) fn clean(&mut self) {
        self.callers.iter_mut().for_each(Caller::clean);
        self.outbound_messages.iter_mut().for_each(OutboundMessages::clean);
        self.data_cloud.iter_mut().for_each(DataCloud::clean);
    }

    /// Checks the settings. `login_host`: where users log in by default.
    pub(super) fn check(&self, check: &mut Check, login_host: Option<&LoginHost>) -> Inbound {
        for variable in &self.ambiguous_variables {
            check.problem(
                variable,
                "the settings have several senders of this kind, and a variable names one: leave it out, and set its value \
                 where they are named",
            );
        }
        let checked: Vec<(CallRules, CheckedCaller)> =
            self.callers.iter().filter_map(|caller| caller.check(check, login_host)).collect();
        let fingerprints = || {
            checked.iter().flat_map(|(rules, _)| {
                rules
                    .certificates
                    .iter()
                    .map(|(_, certificate)| (certificate.fingerprint(), rules.organization))
            })
        };
        if fingerprints().any(|(one, org)| fingerprints().any(|(other, of)| one == other && org != of)) {
            check.problem(
                "inbound.callers",
                "a certificate belongs to one org only: two callers of different orgs have the same",
            );
        }
        let orgs: BTreeSet<_> = checked.iter().map(|(rules, _)| rules.organization).collect();
        let asks_shared_host =
            |caller: &CheckedCaller| caller.jwt_bearer.as_ref().is_some_and(|bearer| bearer.host.is_shared());
        // There the user name alone decides on the org, and it is the caller's word.
        if orgs.len() > 1 && checked.iter().any(|(_, caller)| asks_shared_host(caller)) {
            check.problem(
                "inbound.callers.login_url",
                "set it to the My Domain of the caller's org: with callers of several orgs, one org could name a user of \
                 another at a shared login host",
            );
        }
        let (rules, callers) = checked.into_iter().unzip();
        let outbound = self.outbound_messages.iter().filter_map(|sender| sender.check(check)).collect();
        let data_cloud = self.data_cloud.iter().filter_map(|sender| sender.check(check)).collect();
        let applink: Result<Vec<OrgId>, _> = self.applink.iter().map(|id| id.trim().parse()).collect();
        if applink.is_err() {
            check.problem("inbound.applink", "give the ids of orgs, such as 00Dx0000000BV7z");
        }
        let header = self.client_certificate_header.as_ref();
        Inbound {
            verifier: CallVerifier::new(rules),
            callers,
            outbound,
            data_cloud,
            applink: applink.unwrap_or_default(),
            certificate_header: header.and_then(|header| header.check(check)),
        }
    }
}

/// Returns whether two ids are those of different orgs. Ids of 15 and of 18 characters begin alike.
fn is_other_org(known: &str, named: &str) -> bool {
    !known.is_empty() && known.get(..15) != named.get(..15)
}

type Variables<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// The variable that names a sender's org, and the org that the settings give it.
type NamedOrg<T> = (&'static str, fn(&T) -> &str);

/// Replaces members of the only sender, or of a new one: if the variable names another org, because the other members are
/// about the org that the settings name. `replace` returns the variables that are set. Returns those of several senders.
fn replace_members<T: Clone + Default>(
    senders: &mut Vec<T>,
    (org, organization): NamedOrg<T>,
    replace: fn(&mut T, &Variables) -> Vec<&'static str>,
    variable: &Variables,
) -> Vec<&'static str> {
    let mut replaced = match senders.as_slice() {
        [only] if !variable(org).is_some_and(|named| is_other_org(organization(only), &named)) => {
            only.clone()
        }
        _ => T::default(),
    };
    let set = replace(&mut replaced, variable);
    match senders.len() {
        _ if set.is_empty() => set,
        0 | 1 => {
            *senders = vec![replaced];
            Vec::new()
        }
        _ => set,
    }
}

/// Returns those of the variables that are set.
fn set_of(names: &[&'static str], variable: &Variables) -> Vec<&'static str> {
    names.iter().copied().filter(|name| variable(name).is_some()).collect()
}

impl Config {
    /// Reads the certificates that are given as paths of files. Returns those that could not be read, too.
    pub(crate) fn with_files(mut self) -> (Self, Vec<ConfigProblem>) {
        let mut problems = Vec::new();
        self.inbound.callers.iter_mut().for_each(|caller| caller.read_files(&mut problems));
        (self.without_surroundings(), problems)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORG: &str = "00Dx0000000BV7z";

    /// The settings of a file with so many senders of each kind, and these variables on top of them.
    fn config(senders: usize, variables: &[(&str, &str)]) -> Config {
        let many = |sender: serde_json::Value| vec![sender; senders];
        let inbound = serde_json::json!({
            "callers": many(serde_json::json!({
                "organization": ORG, "audience": "https://app.example.com", "issuer": "acme", "username_claim": "name",
                "certificates": { "one": "one.crt" },
            })),
            "outbound_messages": many(serde_json::json!({ "organization": ORG, "client_certificates": ["ab"] })),
            "data_cloud": many(serde_json::json!({ "organization": ORG })),
        });
        let config = serde_json::json!({ "client_id": "3MVG9", "inbound": inbound });
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        serde_json::from_value::<Config>(config).unwrap().with_variables(variable)
    }

    /// Secrets belong into variables, and the rest into a file.
    #[test]
    fn variables_replace_members_of_the_only_sender_of_a_kind() {
        let set = [
            ("SALESFORCE_CALLER_KEY", "the key"),
            ("SALESFORCE_OUTBOUND_SECRETS", "one two"),
            ("SALESFORCE_DATA_CLOUD_KEYS", "three"),
        ];
        let InboundConfig { callers, outbound_messages, data_cloud, .. } = config(1, &set).inbound;
        let [caller] = callers.as_slice() else { panic!("{callers:?}") };
        assert_eq!((caller.organization.as_str(), caller.username_claim.as_str()), (ORG, "name"));
        assert_eq!((caller.issuer.as_str(), caller.certificates.len()), ("acme", 1));
        assert_eq!(caller.key.as_ref().map(salesforce_connection::Secret::expose), Some("the key"));
        let [messages] = outbound_messages.as_slice() else { panic!("{outbound_messages:?}") };
        assert_eq!((messages.organization.as_str(), messages.client_certificates.len()), (ORG, 1));
        assert_eq!(messages.secrets.len(), 2);
        let [events] = data_cloud.as_slice() else { panic!("{data_cloud:?}") };
        assert_eq!((events.organization.as_str(), events.keys.len()), (ORG, 1));

        let replaced =
            [("SALESFORCE_CALLER_ISSUER", "other"), ("SALESFORCE_CALLER_CERTIFICATES", "two=two.crt")];
        let caller = config(1, &replaced).inbound.callers.remove(0);
        assert_eq!((caller.issuer.as_str(), caller.organization.as_str()), ("other", ORG));
        assert_eq!(caller.certificates.keys().collect::<Vec<_>>(), ["two"], "a list as a whole");
        assert_eq!(config(0, &replaced).inbound.callers.remove(0).username_claim, "username", "a new one");
        assert_eq!(config(2, &[]).inbound.callers.len(), 2);
    }

    /// What a file says about one org, such as its key, is no word about another.
    #[test]
    fn variables_of_another_org_replace_the_sender_as_a_whole() {
        const OTHER: &str = "00Dx0000000BV7y";
        let set = [
            ("SALESFORCE_CALLER_ORG", OTHER),
            ("SALESFORCE_OUTBOUND_ORG", OTHER),
            ("SALESFORCE_DATA_CLOUD_ORG", OTHER),
        ];
        let InboundConfig { callers, outbound_messages, data_cloud, .. } = config(1, &set).inbound;
        assert_eq!(
            (callers[0].organization.as_str(), callers[0].username_claim.as_str()),
            (OTHER, "username")
        );
        assert!(callers[0].certificates.is_empty() && callers[0].issuer.is_empty());
        assert!(outbound_messages[0].client_certificates.is_empty());
        assert_eq!((data_cloud[0].organization.as_str(), data_cloud[0].keys.len()), (OTHER, 0));
        // The same org, with its id in 18 characters.
        let caller = config(1, &[("SALESFORCE_CALLER_ORG", "00Dx0000000BV7zEAG")]).inbound.callers.remove(0);
        assert_eq!(caller.username_claim, "name");
    }

    #[test]
    fn a_variable_that_could_mean_each_of_several_senders_is_a_problem() {
        let set = [
            ("SALESFORCE_CALLER_KEY", "the key"),
            ("SALESFORCE_OUTBOUND_SECRETS", "one two"),
            ("SALESFORCE_DATA_CLOUD_ORG", "00Dx0000000BV7y"),
        ];
        let config = config(2, &set);
        assert_eq!((config.inbound.callers.len(), config.inbound.data_cloud.len()), (2, 2));
        assert!(config.inbound.callers.iter().all(|caller| caller.key.is_none()));
        let error = config.plan().unwrap_err();
        for (name, _) in set {
            let mut problems = error.problems().iter().filter(|problem| problem.setting == name);
            assert!(problems.any(|problem| problem.hint.contains("several senders")), "{name}: {error}");
        }
        assert!(!error.to_string().contains("the key"), "{error}");
    }
}
