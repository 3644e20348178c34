//! The keys, tried on grants of the app that are stored. They are read, and not changed.

use std::{cmp::Reverse, sync::Arc};

use actix_salesforce::{
    config::StartPlan,
    store::{AppKey, GrantFilter, GrantRecord, Store},
};

use super::finding::{Check, Finding, Report};
use crate::{failure::sentence, interrupt::Interrupt};

/// How many grants are tried: the newest ones, since a key that is missing shows in all that it sealed.
const MOST: usize = 100;

/// Tries to open the app's newest grants.
pub(super) async fn check(
    store: &Arc<dyn Store>,
    plan: Option<&StartPlan>,
    interrupt: &Interrupt,
    report: &mut Report,
) {
    let Some(plan) = plan.filter(|_| !report.has_failed(Check::Keys)) else {
        report.skip([Check::StoredGrants], "The keys, or other settings, are invalid.");
        return;
    };
    match interrupt.or(store.list_grants(GrantFilter::All)).await {
        Some(Ok(listed)) => match newest(listed, plan).as_slice() {
            [] => report.skip([Check::StoredGrants], "No grant of the app is stored."),
            grants => report.add(opened(grants, plan)),
        },
        Some(Err(error)) => {
            let what =
                format!("The stored grants could not be listed: {}.", sentence(&error).trim_end_matches('.'));
            report.skip([Check::StoredGrants], &what);
        }
        None => {}
    }
}

fn newest(listed: Vec<GrantRecord>, plan: &StartPlan) -> Vec<GrantRecord> {
    let apps = [Some(&plan.app), plan.previous_app.as_ref()];
    let apps = apps.map(|app| app.map(|app| AppKey::from_client_id(&app.client_id)));
    let mut grants: Vec<_> =
        listed.into_iter().filter(|grant| apps.contains(&Some(grant.key.app()))).collect();
    grants.sort_unstable_by_key(|grant| Reverse(grant.updated_at));
    grants.truncate(MOST);
    grants
}

fn opened(grants: &[GrantRecord], plan: &StartPlan) -> Finding {
    let count = grants.len();
    let unopened = grants.iter().filter(|grant| !plan.opens(grant)).count();
    let fix = "add the key that sealed them to SALESFORCE_KEYS, behind the newest one; if it is lost, their users log in again";
    let what =
        format!("Of the newest {count} stored grants {unopened} cannot be opened with SALESFORCE_KEYS.");
    match unopened {
        0 => Finding::passed(
            Check::StoredGrants,
            format!("The keys open the newest stored grants, {count} of them."),
        ),
        _ if unopened == count => Finding::failed(Check::StoredGrants, what).fix(fix),
        _ => Finding::warning(Check::StoredGrants, what).fix(fix),
    }
}
