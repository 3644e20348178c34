//! A page before it is rendered: its kind, its texts and its actions.

use std::{borrow::Cow, fmt, sync::Arc};

use actix_web::http::StatusCode;

use super::{ChoiceLabels, HtmlPage, LoginFailure, PageKind, language, texts};

/// A page that is about to be sent to a browser.
#[derive(Debug, Clone)]
pub struct LoginPage {
    kind: PageKind,
    actions: Vec<Action>,
    accept_language: Option<String>,
    reference: Option<String>,
}

impl LoginPage {
    pub(super) fn new(kind: PageKind, actions: Vec<Action>, accept_language: Option<&str>) -> Self {
        Self { kind, actions, accept_language: accept_language.map(str::to_owned), reference: None }
    }

    pub(super) fn with_reference(self, reference: Option<String>) -> Self {
        Self { reference, ..self }
    }

    /// A short random text that also stands in the log, so that the people who run the app find the line that belongs to
    /// the page. `None` for pages that report no failure.
    pub fn reference(&self) -> Option<&str> {
        self.reference.as_deref()
    }

    /// What the page is about.
    pub fn kind(&self) -> &PageKind {
        &self.kind
    }

    /// The status of the response. An app cannot change it.
    pub fn status(&self) -> StatusCode {
        self.kind.status()
    }

    /// Salesforce's error code, for an administrator. `None` unless Salesforce refused the login or the request with a code
    /// that this crate explains: unknown codes are not shown.
    pub fn salesforce_code(&self) -> Option<&'static str> {
        match self.kind {
            PageKind::LoginFailed(LoginFailure::Denied { code, .. }) => code,
            PageKind::LoginFailed(LoginFailure::CredentialsRejected) => Some("invalid_client"),
            PageKind::RequestFailed { salesforce_code, .. } => salesforce_code,
            _ => None,
        }
    }

    /// What the user can do next, the most likely action first.
    pub fn actions(&self) -> &[Action] {
        &self.actions
    }

    /// The header `Accept-Language` of the request. `None` if it is missing or not ASCII.
    pub fn accept_language(&self) -> Option<&str> {
        self.accept_language.as_deref()
    }

    /// Returns the offered language that the user prefers, by `Accept-Language`. `None` if the user accepts none of
    /// them, or sent no preference.
    ///
    /// Offer English too where the pages of this crate are to be shown to users who prefer it:
    /// `page.preferred_language(&["en", "de"])`. `de` matches `de-AT` as well.
    pub fn preferred_language<'a>(&self, offered: &[&'a str]) -> Option<&'a str> {
        language::preferred(self.accept_language()?, offered)
    }

    /// The texts of this page in English, to be changed or replaced.
    pub fn texts(&self) -> PageTexts {
        texts::texts(&self.kind)
    }
}

/// The texts of a page. All of them are plain text; rendering escapes them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PageTexts {
    /// The language of the texts as a BCP 47 tag, for the attribute `lang`: `en`, `de`, `pt-BR`.
    pub language: Cow<'static, str>,
    /// The title and heading.
    pub title: Cow<'static, str>,
    /// The paragraphs below it.
    pub paragraphs: Vec<Cow<'static, str>>,
    /// Who can change what the page reports, where it reports a failure that can be changed.
    pub who: Option<Cow<'static, str>>,
    /// What stands before it.
    pub who_label: Cow<'static, str>,
    /// Where in Salesforce's Setup it is changed: menu entries with ` > ` between them.
    pub place: Option<Cow<'static, str>>,
    /// What stands before it.
    pub place_label: Cow<'static, str>,
    /// What stands before the page's [reference](LoginPage::reference).
    pub reference_label: Cow<'static, str>,
    /// What stands before Salesforce's code, where the page shows one.
    pub code_label: Cow<'static, str>,
    /// The labels of buttons and links.
    pub labels: ActionLabels,
    /// The labels of the choices between login hosts, and between orgs.
    pub choices: ChoiceLabels,
}

/// The labels of buttons and links.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ActionLabels {
    /// For [`ActionKind::TryAgain`].
    pub try_again: Cow<'static, str>,
    /// For [`ActionKind::StartPage`].
    pub start_page: Cow<'static, str>,
    /// For [`ActionKind::LogIn`].
    pub log_in: Cow<'static, str>,
    /// For [`ActionKind::LogOut`].
    pub log_out: Cow<'static, str>,
    /// For [`ActionKind::StayLoggedIn`].
    pub stay_logged_in: Cow<'static, str>,
    /// For [`ActionKind::OtherUser`].
    pub other_user: Cow<'static, str>,
    /// For [`ActionKind::ChooseHost`].
    pub choose_host: Cow<'static, str>,
    /// For [`ActionKind::AddOrg`].
    pub add_org: Cow<'static, str>,
    /// For [`ActionKind::SwitchOrg`].
    pub switch_org: Cow<'static, str>,
    /// For [`ActionKind::DropOrg`].
    pub drop_org: Cow<'static, str>,
    /// For [`ActionKind::Connect`].
    pub connect: Cow<'static, str>,
    /// For [`ActionKind::LogOutEverywhere`].
    pub log_out_everywhere: Cow<'static, str>,
    /// For [`ActionKind::LogOutOfSalesforce`].
    pub log_out_of_salesforce: Cow<'static, str>,
}

impl ActionLabels {
    pub(super) fn english() -> Self {
        Self {
            try_again: "Try again".into(),
            start_page: "Go to the start page".into(),
            log_in: "Log in".into(),
            log_out: "Log out".into(),
            stay_logged_in: "Stay logged in".into(),
            other_user: "Log in as another user".into(),
            choose_host: "Choose where to log in".into(),
            add_org: "Add an organization".into(),
            switch_org: "Switch to it".into(),
            drop_org: "Log out there".into(),
            connect: "Connect Salesforce".into(),
            log_out_everywhere: "Log out in all browsers".into(),
            log_out_of_salesforce: "Log out of Salesforce, too".into(),
        }
    }

    /// The label of this action.
    pub fn get(&self, kind: ActionKind) -> &str {
        match kind {
            ActionKind::TryAgain => &self.try_again,
            ActionKind::StartPage => &self.start_page,
            ActionKind::LogIn => &self.log_in,
            ActionKind::LogOut => &self.log_out,
            ActionKind::StayLoggedIn => &self.stay_logged_in,
            ActionKind::OtherUser => &self.other_user,
            ActionKind::ChooseHost => &self.choose_host,
            ActionKind::AddOrg => &self.add_org,
            ActionKind::SwitchOrg => &self.switch_org,
            ActionKind::DropOrg => &self.drop_org,
            ActionKind::Connect => &self.connect,
            ActionKind::LogOutEverywhere => &self.log_out_everywhere,
            ActionKind::LogOutOfSalesforce => &self.log_out_of_salesforce,
        }
    }
}

/// What an action does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ActionKind {
    /// Starts the login again, or repeats the request that failed.
    TryAgain,
    /// Goes to the app's start page.
    StartPage,
    /// Starts a login.
    LogIn,
    /// Logs out.
    LogOut,
    /// Goes back without a logout.
    StayLoggedIn,
    /// Starts a login for which Salesforce shows its login page, so that another user can log in.
    OtherUser,
    /// Goes to the chooser of login hosts.
    ChooseHost,
    /// Starts a login that is added to the browser's others, or goes to the chooser of login hosts first.
    AddOrg,
    /// Makes another org the current one.
    SwitchOrg,
    /// Ends the login at one of several orgs.
    DropOrg,
    /// Connects Salesforce to the user's account in the app.
    Connect,
    /// Logs out in all browsers of the user.
    LogOutEverywhere,
    /// Logs out here and at Salesforce.
    LogOutOfSalesforce,
}

/// Something that the user can do next: a link, or a form that a button sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    kind: ActionKind,
    href: String,
    is_post: bool,
    in_window: bool,
    fields: Vec<(&'static str, String)>,
}

impl Action {
    /// A link.
    pub(crate) fn link(kind: ActionKind, href: impl Into<String>) -> Self {
        Self { kind, href: href.into(), is_post: false, in_window: false, fields: Vec::new() }
    }

    /// The same link, opened in a new window that cannot reach this one (`rel="noopener"`).
    pub(crate) fn in_window(self) -> Self {
        Self { in_window: true, ..self }
    }

    /// A form with hidden fields.
    pub(crate) fn form(kind: ActionKind, href: String, fields: Vec<(&'static str, String)>) -> Self {
        Self { kind, href, is_post: true, in_window: false, fields }
    }

    /// A form that changes nothing, whose fields become the query.
    pub(crate) fn get_form(kind: ActionKind, href: String, fields: Vec<(&'static str, String)>) -> Self {
        Self { is_post: false, ..Self::form(kind, href, fields) }
    }

    /// What it does.
    pub fn kind(&self) -> ActionKind {
        self.kind
    }

    /// The address of the link or the form: a path of this app.
    pub fn href(&self) -> &str {
        &self.href
    }

    /// Whether it is a form that has to be sent by POST. Otherwise it is a link.
    pub fn is_post(&self) -> bool {
        self.is_post
    }

    /// Whether the link has to open a new window: `target="_blank" rel="noopener"`.
    pub fn opens_window(&self) -> bool {
        self.in_window
    }

    /// The hidden fields of the form: names and values.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(name, value)| (*name, value.as_str()))
    }
}

/// What a page shows: the return value of the function that
/// [`Builder::login_pages`](crate::SalesforceBuilder::login_pages) takes.
#[derive(Debug, Clone)]
#[non_exhaustive]
#[allow(clippy::large_enum_variant, reason = "there is one at a time, for as long as a page is rendered")]
pub enum PageContent {
    /// The texts and the design of this crate.
    Default,
    /// Texts of the app in the design of this crate.
    Texts(PageTexts),
    /// A page of the app's own design.
    Html(HtmlPage),
}

impl From<PageTexts> for PageContent {
    fn from(texts: PageTexts) -> Self {
        Self::Texts(texts)
    }
}

impl From<HtmlPage> for PageContent {
    fn from(page: HtmlPage) -> Self {
        Self::Html(page)
    }
}

type Render = dyn Fn(&LoginPage) -> PageContent + Send + Sync;

/// The app's function for pages. By default each page stays as it is.
#[derive(Clone, Default)]
pub(crate) struct LoginPages(Option<Arc<Render>>);

impl LoginPages {
    pub(crate) fn new<C: Into<PageContent>>(
        render: impl Fn(&LoginPage) -> C + Send + Sync + 'static,
    ) -> Self {
        Self(Some(Arc::new(move |page| render(page).into())))
    }

    /// The page as HTML.
    pub(super) fn render(&self, page: &LoginPage) -> HtmlPage {
        match self.0.as_ref().map(|render| render(page)) {
            None | Some(PageContent::Default) => HtmlPage::of_texts(page, &page.texts()),
            Some(PageContent::Texts(texts)) => HtmlPage::of_texts(page, &texts),
            Some(PageContent::Html(html)) => html,
        }
    }
}

impl fmt::Debug for LoginPages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LoginPages").field(&self.0.is_some()).finish()
    }
}
