//! The app's functions: who may come in, whom a connection belongs to, and what pages look like.

use std::{error::Error, future::Future};

use super::SalesforceBuilder;
use crate::{
    grants::{AuthEvent, Events, LoginDecision, VerifiedLogin},
    web::{
        UserChange,
        owner::{ConnectDecision, ConnectFunction, ConnectRequest},
        pages::{LoginPage, LoginPages, PageContent},
    },
};
use salesforce_connection::OrgId;

impl SalesforceBuilder {
    /// Asks `function` at each login whether users of this org may come in. Default: no function.
    ///
    /// For example by the app's own table of customers. It is asked after the lists and before any request is sent to the
    /// org's instance. `false`: the user reads that the organization may not use the app, the tokens are revoked, and
    /// nothing is stored. An error, or more than five seconds: a page with 503.
    ///
    /// ```
    /// # use actix_salesforce::Salesforce;
    /// # async fn is_customer(_: &str) -> Result<bool, std::io::Error> { Ok(true) }
    /// let builder = Salesforce::builder().allow_org_if(|org| async move { is_customer(org.as_str()).await });
    /// ```
    #[doc(alias = "multi_tenant")]
    pub fn allow_org_if<F, E>(mut self, function: impl Fn(OrgId) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = std::result::Result<bool, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        self.functions.set_org(function);
        self
    }

    /// Asks `function` at the end of each login, when the user is verified and nothing is stored yet. Default: no function.
    ///
    /// It may refuse the user with a reason, or add facts to the login: at most 1 KiB as JSON, sealed into the login's
    /// cookie, that handlers read as [`LoginFacts`](crate::LoginFacts). A user who is refused reads the reason; the tokens
    /// are revoked, nothing is stored, and an existing login of the browser stays. An error, or more than five seconds: a
    /// page with 503. It is asked once more if the browser sends its callback to several processes.
    ///
    /// ```
    /// use actix_salesforce::{InvalidFacts, LoginDecision, Salesforce};
    ///
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// struct Tenant { plan: String }
    ///
    /// let builder = Salesforce::builder().on_login(|login| async move {
    ///     if login.username.as_deref().is_some_and(|name| name.ends_with(".invalid")) {
    ///         return Ok::<_, InvalidFacts>(LoginDecision::refuse("Your contract has ended."));
    ///     }
    ///     LoginDecision::allow_with(&Tenant { plan: "gold".to_owned() })
    /// });
    /// # let _ = builder;
    /// ```
    #[doc(alias = "sign_in_callback")]
    #[doc(alias = "after_callback")]
    pub fn on_login<F, E>(mut self, function: impl Fn(VerifiedLogin) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = std::result::Result<LoginDecision, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        self.functions.set_login(function);
        self
    }

    /// Calls `listener` with every [`AuthEvent`] once it is certain. Default: no listener.
    ///
    /// The call is synchronous, on the crate's thread or a worker's: send long work through a channel.
    ///
    /// ```
    /// # use actix_salesforce::{AuthEvent, Salesforce};
    /// let builder = Salesforce::builder().on_event(|event| match event {
    ///     AuthEvent::ReuseSuspected(who) => eprintln!("alarm: {who:?}"),
    ///     _ => {}
    /// });
    /// ```
    #[doc(alias = "audit")]
    #[doc(alias = "tracing")]
    #[doc(alias = "metrics")]
    pub fn on_event(mut self, listener: impl Fn(&AuthEvent) + Send + Sync + 'static) -> Self {
        self.events = Events::to(listener);
        self
    }

    /// Calls `function` with the session when another user logs in than the one who logged in last in it. Default: no
    /// function.
    ///
    /// With [`SessionMode::App`](crate::SessionMode::App), what the former user's requests put into the session is still
    /// there: `function` removes what the next user must not see, or all of it with
    /// [`Session::clear`](actix_session::Session::clear). With the embedded session it is empty by then. In a browser with
    /// several orgs the app's session is one for all of them, and the function is called at each switch, too. The call is
    /// synchronous, on a worker's thread.
    ///
    /// ```
    /// # use actix_salesforce::{Salesforce, SessionMode};
    /// let builder = Salesforce::builder().session(SessionMode::App).on_user_change(|session| {
    ///     session.remove("cart");
    /// });
    /// # let _ = builder;
    /// ```
    pub fn on_user_change(
        mut self,
        function: impl Fn(&actix_session::Session) + Send + Sync + 'static,
    ) -> Self {
        self.web.user_change = UserChange::new(function);
        self
    }

    /// Lets users of the app itself connect Salesforce: `function` names the owner of a connection. Default: no function,
    /// and no connect route.
    ///
    /// It is asked when a browser starts to connect, and again at the callback: both have to name the same owner. Read the
    /// owner from what proves the user to the app, its session for example, and from nothing else of the request. An error,
    /// or more than five seconds: a page with 503.
    ///
    /// ```
    /// use actix_salesforce::{Salesforce, owner::{ConnectDecision, InvalidOwner, Owner}};
    /// use actix_session::SessionExt as _;
    ///
    /// let builder = Salesforce::builder().connect_owner(|request| async move {
    ///     Ok::<_, InvalidOwner>(match request.http.get_session().get::<String>("account") {
    ///         Ok(Some(account)) => ConnectDecision::owner(Owner::new(account)?),
    ///         _ => ConnectDecision::not_logged_in(),
    ///     })
    /// });
    /// # let _ = builder;
    /// ```
    #[doc(alias = "account_linking")]
    #[doc(alias = "integration")]
    pub fn connect_owner<F, E>(
        mut self,
        function: impl Fn(ConnectRequest) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = std::result::Result<ConnectDecision, E>> + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        self.web.connect = ConnectFunction::new(function);
        self
    }

    /// Translates the pages that users see, or replaces them by pages of the app's own design. Default: the pages of
    /// this crate, in English.
    ///
    /// `render` is called for each page before it is sent, on a worker's thread: it must not block. The module
    /// [`pages`](crate::pages) describes its parameter and its return value.
    pub fn login_pages<C: Into<PageContent>>(
        mut self,
        render: impl Fn(&LoginPage) -> C + Send + Sync + 'static,
    ) -> Self {
        self.web.pages = LoginPages::new(render);
        self
    }
}
