//! What this process saw in the last 24 hours: API use of each org by hour, and rotations of refresh tokens.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use actix_salesforce::{AuthEvent, OrgId, SalesforceConn, UserRef};

const HOURS: usize = 24;

/// Shared by all workers. A real app writes it to its metrics.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// By org: the hour since 1970 of the last sample, and the highest use of each hour, oldest first.
    usage: HashMap<OrgId, (u64, [Option<u64>; HOURS])>,
    rotated: HashMap<UserRef, SystemTime>,
}

impl Seen {
    /// Notes when Salesforce replaced a refresh token.
    pub(crate) fn event(&self, event: &AuthEvent) {
        if let AuthEvent::Refreshed { user, rotated: true, .. } = event {
            self.lock().rotated.insert(*user, SystemTime::now());
        }
    }

    pub(crate) fn rotated(&self, user: UserRef) -> Option<SystemTime> {
        self.lock().rotated.get(&user).copied()
    }

    /// Notes what the last response of the org said: the requests of the last 24 hours, and how many are allowed.
    pub(crate) fn note(&self, sf: &SalesforceConn) {
        let Some(usage) = sf.api_usage() else { return };
        let mut state = self.lock();
        let hours = state.usage.entry(sf.organization_id()).or_insert((hour(), [None; HOURS]));
        forget_old(hours, hour());
        let last = &mut hours.1[HOURS - 1];
        *last = (*last).max(Some(u64::from(usage.used)));
    }

    /// Draws the last 24 hours as bars, without a script.
    pub(crate) fn chart(&self, org: OrgId, allowed: u64) -> String {
        let mut hours = self.lock().usage.get(&org).copied().unwrap_or((hour(), [None; HOURS]));
        forget_old(&mut hours, hour());
        let samples = hours.1;
        let highest = samples.iter().flatten().copied().max().unwrap_or(0);
        let scale = highest.max(1);
        let bars: String = samples
            .iter()
            .enumerate()
            .filter_map(|(index, used)| {
                let used = (*used)?;
                let height = (used * 60 / scale).max(1);
                let ago = HOURS - 1 - index;
                Some(format!(
                    "<rect x=\"{}\" y=\"{}\" width=\"8\" height=\"{height}\"><title>{used}, {ago} h ago</title></rect>",
                    index * 10 + 1,
                    64 - height
                ))
            })
            .collect();
        format!(
            "<svg id=\"usage\" class=\"chart\" viewBox=\"0 0 240 66\" role=\"img\" aria-labelledby=\"usage-title\">\
             <title id=\"usage-title\">Requests of the last 24 hours, by hour: at most {highest} of {allowed}, as far as this \
             process saw it</title><line x1=\"0\" y1=\"64.5\" x2=\"240\" y2=\"64.5\"/>{bars}</svg>\
             <p class=\"soft\">By hour, from 24 hours ago to now. Highest: {highest}.</p>"
        )
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hour() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs() / 3_600
}

/// Moves the samples to the left by the hours that have passed.
fn forget_old((last, samples): &mut (u64, [Option<u64>; HOURS]), now: u64) {
    let passed = usize::try_from(now.saturating_sub(*last)).unwrap_or(HOURS).min(HOURS);
    samples.rotate_left(passed);
    samples[HOURS - passed..].fill(None);
    *last = now;
}
