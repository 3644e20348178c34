//! What users choose from: login hosts, and the orgs that a browser is logged in at.

use std::borrow::Cow;

use super::{Action, HtmlPage, LoginPage, PageKind, PageTexts};
use salesforce_connection::{OrgId, UserId};

/// The login hosts that a user can choose from.
///
/// Each choice is sent as `host` by the [form](Self::form); [`HtmlPage::host_choices`] renders all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostChoices {
    /// The hosts of the settings.
    pub hosts: Vec<HostChoice>,
    /// Whether users may enter the name or the address of any My Domain, too.
    pub my_domain: bool,
    /// The address of the My Domain of this browser's last login, unless it is one of `hosts`.
    pub last_my_domain: Option<String>,
    /// The form that sends the choice: its address, its method and its hidden fields.
    pub form: Action,
}

/// One login host.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostChoice {
    /// The value of `host`: its name in the settings, or its address.
    pub name: String,
    /// Its URL without the scheme.
    pub address: String,
    /// Whether the browser's last login was there.
    pub is_last: bool,
}

/// The labels of choices.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChoiceLabels {
    /// The question above the hosts.
    pub hosts: Cow<'static, str>,
    /// The name of `login.salesforce.com`.
    pub production: Cow<'static, str>,
    /// The name of `test.salesforce.com`.
    pub sandbox: Cow<'static, str>,
    /// What stands before the field for a My Domain.
    pub my_domain: Cow<'static, str>,
    /// What to enter there.
    pub my_domain_hint: Cow<'static, str>,
    /// What stands beside the current org.
    pub current: Cow<'static, str>,
}

impl ChoiceLabels {
    pub(super) fn english() -> Self {
        Self {
            hosts: "Log in at".into(),
            production: "Production".into(),
            sandbox: "Sandbox".into(),
            my_domain: "Your My Domain".into(),
            my_domain_hint: "Its name or address, such as acme or acme.my.salesforce.com".into(),
            current: "current".into(),
        }
    }

    /// The label of this host.
    pub fn get<'a>(&'a self, host: &'a HostChoice) -> &'a str {
        match &*host.address {
            "login.salesforce.com" => &self.production,
            "test.salesforce.com" => &self.sandbox,
            _ => &host.name,
        }
    }
}

impl HtmlPage {
    /// Appends what the user chooses from, on the two pages that are choosers: of login hosts, and of orgs. Each other page
    /// stays as it is.
    ///
    /// Call it for each page of an app's own design. Without it a chooser has nothing to choose from.
    pub fn choices(self, page: &LoginPage, texts: &PageTexts) -> Self {
        match page.kind() {
            PageKind::ChooseHost(choices) => {
                self.host_choices(choices, &texts.choices, texts.labels.get(choices.form.kind()))
            }
            PageKind::ChooseOrg(choices) => self.org_choices(choices, texts),
            _ => self,
        }
    }

    /// Appends the forms of the chooser: a group of radio buttons, and a field for a My Domain where users may enter one.
    /// `button` is the label of their buttons.
    pub fn host_choices(mut self, choices: &HostChoices, labels: &ChoiceLabels, button: &str) -> Self {
        let selected = choices.hosts.iter().position(|host| host.is_last).unwrap_or_default();
        self = self.form(&choices.form).markup("<fieldset><legend>").text(&labels.hosts).markup("</legend>");
        for (index, host) in choices.hosts.iter().enumerate() {
            let label = labels.get(host);
            let checked = if index == selected { "\" required checked> " } else { "\" required> " };
            self = self.markup("<label><input type=\"radio\" name=\"host\" value=\"").text(&host.name);
            self = self.markup(checked).text(label);
            if label != host.address {
                self = self.markup(" <small>").text(&host.address).markup("</small>");
            }
            self = self.markup("</label>");
        }
        self = self.markup("</fieldset><button class=\"button\">").text(button).markup("</button></form>");
        if !choices.my_domain {
            return self;
        }
        self.form(&choices.form)
            .markup("<label for=\"my-domain\">")
            .text(&labels.my_domain)
            .markup("</label><p id=\"my-domain-hint\">")
            .text(&labels.my_domain_hint)
            .markup(
                "</p><input id=\"my-domain\" name=\"host\" required maxlength=\"200\" autocapitalize=\"none\" \
                 spellcheck=\"false\" aria-describedby=\"my-domain-hint\" value=\"",
            )
            .text(choices.last_my_domain.as_deref().unwrap_or_default())
            .markup("\"><button class=\"button\">")
            .text(button)
            .markup("</button></form>")
    }
}

/// The orgs that a browser is logged in at.
///
/// [`HtmlPage::org_choices`] renders them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OrgChoices {
    /// The logins.
    pub orgs: Vec<OrgChoice>,
    /// Adds an org; `None` if the browser has as many as it may. It is one of the page's actions, too.
    pub add: Option<Action>,
}

/// One login of a browser.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OrgChoice {
    /// The id of the org.
    pub organization_id: OrgId,
    /// The user's id.
    pub user_id: UserId,
    /// The user name, if Salesforce returned one.
    pub username: Option<String>,
    /// The login host without the scheme.
    pub login_host: String,
    /// Whether the app works in this org.
    pub is_current: bool,
    /// Makes the org the current one; `None` if it is.
    pub switch: Option<Action>,
    /// Ends the login.
    pub drop: Action,
}

impl HtmlPage {
    /// Appends a list of the orgs, each with its buttons.
    pub fn org_choices(mut self, choices: &OrgChoices, texts: &PageTexts) -> Self {
        self = self.markup("<ul>");
        for (index, org) in choices.orgs.iter().enumerate() {
            let id = format!("org-{index}");
            self = self.markup("<li><p id=\"").text(&id).markup("\">");
            self = self.text(org.username.as_deref().unwrap_or(org.user_id.as_str()));
            self = self.markup(" <small>").text(org.organization_id.as_str());
            self = self.markup(" · ").text(&org.login_host).markup("</small>");
            if org.is_current {
                self = self.markup(" <strong>").text(&texts.choices.current).markup("</strong>");
            }
            self = self.markup("</p><div class=\"actions\">");
            for action in org.switch.iter().chain([&org.drop]) {
                // Several buttons have one label: what they are about stands above them.
                self = self.form(action).markup("<button class=\"button\" aria-describedby=\"").text(&id);
                self = self.markup("\">").text(texts.labels.get(action.kind())).markup("</button></form>");
            }
            self = self.markup("</div></li>");
        }
        self.markup("</ul>")
    }
}
