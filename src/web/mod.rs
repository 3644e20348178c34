//! Everything that knows actix: the middleware, its routes and pages, the extractors.

#[cfg(feature = "inbound")]
mod after_response;
mod cookie_renewal;
mod error;
mod error_rewrite;
mod extract;
mod form_login;
mod frame;
#[cfg(feature = "inbound")]
mod from_salesforce;
mod handle;
pub mod login;
mod login_facts;
mod look_up;
pub mod middleware;
mod no_store;
mod orgs;
mod origin;
pub(crate) mod owner;
pub mod pages;
mod request_info;
mod require;
mod response;
mod session;
mod setup_error;
mod silent_login;
#[cfg(feature = "test-util")]
pub mod test_parsers;
#[cfg(feature = "test-util")]
pub mod testing;
mod worker;

/// The public name of the module.
pub use self::login as routes;
#[cfg(feature = "events")]
pub(crate) use self::require::enforce_here;
#[cfg(any(feature = "events", feature = "inbound"))]
pub(crate) use self::worker::WorkerState;
#[cfg(feature = "inbound")]
pub(crate) use self::{after_response::AfterResponse, from_salesforce::FromSalesforce};
pub use self::{
    extract::{MaybeSalesforceConn, SalesforceConn, SalesforceUser},
    form_login::{FormLogin, SameLogin},
    login_facts::LoginFacts,
    orgs::{OrgLogin, SalesforceOrgs},
    require::{AccessRule, Allowed, MayUse, RequireLogin},
    silent_login::SilentLogin,
};
pub(crate) use self::{login::CallLimit, require::RuleState, session::UserChange};

/// The app's functions that know actix.
#[derive(Clone, Debug, Default)]
pub(crate) struct WebFunctions {
    pub(crate) pages: pages::LoginPages,
    pub(crate) user_change: session::UserChange,
    pub(crate) connect: owner::ConnectFunction,
}
