//! OAuth scopes as Salesforce reads them.

/// A set of granted scopes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scopes(Vec<String>);

impl Scopes {
    /// Parses a space separated list; `offline_access` is another name for `refresh_token`.
    pub(crate) fn parse(text: &str) -> Self {
        let mut out: Vec<String> = Vec::new();
        for word in text.split_ascii_whitespace() {
            let word = if word == "offline_access" { "refresh_token" } else { word };
            if !out.iter().any(|known| known == word) {
                out.push(word.to_owned());
            }
        }
        Self(out)
    }

    pub(crate) fn all(app: &[String]) -> Self {
        Self(app.to_vec())
    }

    pub(crate) fn is_subset_of(&self, app: &[String]) -> bool {
        self.0.iter().all(|scope| app.contains(scope))
    }

    pub(crate) fn within(&self, other: &Self) -> bool {
        self.is_subset_of(&other.0)
    }

    pub(crate) fn has(&self, scope: &str) -> bool {
        self.0.iter().any(|known| known == scope)
    }

    pub(crate) fn refresh_token(&self) -> bool {
        self.has("refresh_token")
    }

    pub(crate) fn openid(&self) -> bool {
        self.has("openid")
    }

    pub(crate) fn api(&self) -> bool {
        self.has("api") || self.has("full")
    }

    /// May read the identity URL and userinfo.
    pub(crate) fn identity(&self) -> bool {
        ["id", "openid", "profile", "email", "address", "phone", "full", "api"].iter().any(|s| self.has(s))
    }

    /// May open a browser session with `singleaccess`.
    pub(crate) fn web(&self) -> bool {
        self.has("web") || self.has("full")
    }

    /// May be the `sid` of `frontdoor.jsp`.
    pub(crate) fn pages(&self) -> bool {
        self.web() || self.has("visualforce")
    }

    pub(crate) fn without_refresh_token(&self) -> Self {
        Self(self.0.iter().filter(|scope| *scope != "refresh_token").cloned().collect())
    }

    /// These and those of the other.
    pub(crate) fn and(&self, other: &Self) -> Self {
        Self::parse(&[self.0.join(" "), other.0.join(" ")].join(" "))
    }

    pub(crate) fn words(&self) -> &[String] {
        &self.0
    }

    /// The list in random order: Salesforce guarantees none.
    pub(crate) fn shuffled(&self) -> String {
        crate::base::random::shuffled(self.0.clone()).join(" ")
    }
}
