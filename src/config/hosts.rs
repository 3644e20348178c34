//! The checks of login hosts, and of the orgs that each may speak for.

use std::collections::BTreeMap;

use super::{Config, Settings, check::Check};
use crate::grants::{HostOrgs, Orgs, is_run_by_salesforce};
use salesforce_connection::{OrgId, oauth::LoginHost};

const SETTING: &str = "SALESFORCE_LOGIN_HOSTS";

impl Check {
    /// Returns the login hosts by name, and which orgs those may speak for that Salesforce does not run.
    pub(super) fn hosts(
        &mut self,
        config: &Config,
        default_host: Option<&LoginHost>,
        default_orgs: &[String],
    ) -> (BTreeMap<String, LoginHost>, HostOrgs) {
        let (mut hosts, mut orgs) = (BTreeMap::new(), HostOrgs::default());
        orgs.allowed = self.orgs("SALESFORCE_ALLOWED_ORGS", default_orgs.iter().map(String::as_str));
        let is_only_one = config.login_hosts.is_empty() && !config.allow_my_domain;
        if let Some(host) = default_host {
            let list = orgs.allowed.clone();
            self.add("SALESFORCE_ALLOWED_ORGS", &mut orgs, host, list, is_only_one);
        }
        for (name, text) in &config.login_hosts {
            let plain = !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
            if !plain {
                self.problem(
                    SETTING,
                    "each entry is name=URL, and names consist of letters, digits, - and _",
                );
            }
            let (url, list) = text.split_once('|').unwrap_or((text, ""));
            let Some(host) = self.login_host(SETTING, url) else { continue };
            if name == Settings::OF_SALESFORCE && !is_run_by_salesforce(&host) {
                self.problem(SETTING, "only a host of Salesforce may be called `salesforce`");
            }
            let list = self.orgs(SETTING, list.split(',').filter(|org| !org.trim().is_empty()));
            self.add(SETTING, &mut orgs, &host, list, is_only_one);
            hosts.insert(name.clone(), host);
        }
        (hosts, orgs)
    }

    /// Returns the ids of orgs in a setting.
    pub(super) fn orgs<'a>(
        &mut self,
        setting: &'static str,
        ids: impl Iterator<Item = &'a str>,
    ) -> Vec<OrgId> {
        ids.filter_map(|id| {
            let org = id.trim().parse::<OrgId>().ok();
            if org.is_none() {
                self.problem(setting, "give ids of organizations (00D…), separated by commas");
            }
            org
        })
        .collect()
    }

    /// Adds a host to `orgs` unless Salesforce runs it.
    fn add(
        &mut self,
        setting: &'static str,
        orgs: &mut HostOrgs,
        host: &LoginHost,
        list: Vec<OrgId>,
        is_only_one: bool,
    ) {
        if is_run_by_salesforce(host) {
            return;
        }
        if !host.is_loopback() {
            tracing::warn!(
                host = ?host,
                "a login host that Salesforce does not run. It receives codes and the app's secret, and says who users are"
            );
        }
        let rule = if !list.is_empty() {
            Orgs::These(list)
        } else if is_only_one {
            Orgs::All
        } else if host.is_loopback() {
            tracing::warn!(
                host = ?host,
                "a login host on this machine may log in users of every organization that no other host has a login of. Name \
                 its organizations: URL|00D…,00D…"
            );
            Orgs::Unclaimed
        } else {
            self.problem(
                setting,
                "there are several login hosts, and Salesforce does not run this one: name the organizations that it may \
                 speak for (in SALESFORCE_LOGIN_HOSTS: name=URL|00D…,00D…; for SALESFORCE_LOGIN_URL: \
                 SALESFORCE_ALLOWED_ORGS)",
            );
            return;
        };
        orgs.foreign.insert(host.clone(), rule);
    }
}
