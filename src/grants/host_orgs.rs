//! Which orgs a login host may speak for.
//!
//! A grant is stored under app, org and user. So a login host that Salesforce does not run, such as a customer's proxy or
//! own domain, could claim a user of an org that belongs to another host, and the connections of that user would go to
//! its instance. Salesforce's own hosts speak for each org; any other host only for those that its setting names.

use std::collections::HashMap;

use super::{GrantManager, GrantTokens, manager::absent_if_corrupt, tokens::UnreadableGrant};
use crate::store::{GrantFilter, StoreError};
use salesforce_connection::{OrgId, http::AllowedHosts, oauth::LoginHost};

/// Which orgs each login host may speak for.
#[derive(Debug, Clone, Default)]
pub(crate) struct HostOrgs {
    /// The hosts that Salesforce does not run.
    pub(crate) foreign: HashMap<LoginHost, Orgs>,
    /// The orgs whose users may log in. Empty: all.
    pub(crate) allowed: Vec<OrgId>,
    /// The orgs whose users may not.
    pub(crate) denied: Vec<OrgId>,
}

/// Orgs that a login host may speak for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Orgs {
    /// Each org: it is the only login host.
    All,
    /// These orgs.
    These(Vec<OrgId>),
    /// Orgs for which no other host has stored a grant: hosts on this machine, for development.
    Unclaimed,
}

impl HostOrgs {
    /// Returns whether a stored grant of this host counts under the settings of today.
    pub(super) fn accepts(&self, host: &LoginHost, org: OrgId) -> bool {
        self.let_in(host, org) && self.names(host, org) != Some(false)
    }

    /// Returns whether users of `org` may log in at `host`. An org that the setting of the host names may, unless it is
    /// denied.
    pub(super) fn let_in(&self, host: &LoginHost, org: OrgId) -> bool {
        let is_named = || self.allowed.contains(&org) || self.names(host, org) == Some(true);
        !self.is_denied(org) && (self.allowed.is_empty() || is_named())
    }

    /// Returns which setting keeps users of `org` from logging in at `host`; `None` if no list does.
    pub(crate) fn refusal(&self, host: &LoginHost, org: OrgId) -> Option<&'static str> {
        if self.is_denied(org) {
            Some("SALESFORCE_DENIED_ORGS names it")
        } else if !self.let_in(host, org) {
            Some("SALESFORCE_ALLOWED_ORGS does not name it")
        } else if self.names(host, org) == Some(false) {
            Some("the setting of this login host names other orgs")
        } else {
            None
        }
    }

    /// Returns whether the settings exclude the users of `org`.
    pub(super) fn is_denied(&self, org: OrgId) -> bool {
        self.denied.contains(&org)
    }

    /// Returns whether the setting of the host names the org; `None` if the host needs no such list.
    fn names(&self, host: &LoginHost, org: OrgId) -> Option<bool> {
        match self.foreign.get(host) {
            Some(Orgs::These(orgs)) => Some(orgs.contains(&org)),
            None | Some(Orgs::All | Orgs::Unclaimed) => None,
        }
    }
}

/// Returns whether Salesforce runs this login host.
pub(crate) fn is_run_by_salesforce(host: &LoginHost) -> bool {
    AllowedHosts::default().check(host.as_url()).is_ok()
}

impl GrantManager {
    /// Returns whether `host` may speak for the users of `org`.
    pub(super) async fn may_speak_for(&self, host: &LoginHost, org: OrgId) -> Result<bool, StoreError> {
        match self.config.host_orgs.foreign.get(host) {
            None | Some(Orgs::All) => Ok(true),
            Some(Orgs::These(orgs)) => Ok(orgs.contains(&org)),
            Some(Orgs::Unclaimed) => {
                let grants =
                    absent_if_corrupt(self.config.store.list_grants(GrantFilter::Org(org)).await.map(Some))?;
                Ok(grants.into_iter().flatten().filter(|grant| self.owns_login_of(grant.key)).all(|grant| {
                    match GrantTokens::open(&self.config.keys, &grant) {
                        Ok(tokens) => tokens.host == *host,
                        Err(UnreadableGrant::Broken(broken)) => broken.host == *host,
                        Err(_) => false,
                    }
                }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_grant_counts_only_if_its_host_may_speak_for_its_org() {
        let (one, two): (OrgId, OrgId) =
            ("00D000000000001EAA".parse().unwrap(), "00D000000000002EAA".parse().unwrap());
        let (own, portal) =
            (LoginHost::production(), "https://login.acme.example".parse::<LoginHost>().unwrap());
        assert!(is_run_by_salesforce(&own) && !is_run_by_salesforce(&portal));
        let hosts =
            HostOrgs { foreign: [(portal.clone(), Orgs::These(vec![one]))].into(), ..HostOrgs::default() };
        assert!(hosts.accepts(&portal, one) && !hosts.accepts(&portal, two));
        assert!(hosts.accepts(&own, one) && hosts.accepts(&own, two));
        let hosts = HostOrgs { allowed: vec![two], ..hosts };
        assert!(!hosts.accepts(&own, one) && hosts.accepts(&own, two), "the list holds for each host");
        assert!(hosts.accepts(&portal, one), "the setting of the host names it");
        assert!(!hosts.accepts(&portal, two), "a list does not let a host speak for an org");
    }
}
