//! The registered app: what its developer set.

/// The registered app. One per org for now.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) name: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) secret_required: bool,
    pub(crate) scopes: Vec<String>,
    /// Empty: any loopback redirect URI.
    pub(crate) redirect_uris: Vec<String>,
    /// DER of the uploaded certificate, whose key signs the app's assertions.
    pub(crate) certificate: Option<Vec<u8>>,
    /// What the Apex token exchange handler knows; `None`: the flow is off.
    pub(crate) exchange: Option<Vec<Subject>>,
    /// The path of an Experience Cloud site, with a leading slash: people log in there too.
    pub(crate) site: Option<String>,
    /// The registered Single Logout URL.
    pub(crate) single_logout_url: Option<String>,
    /// The page that a canvas app is.
    pub(crate) canvas_url: String,
}

/// A subject token of another identity provider, and the username it stands for.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) token: String,
    pub(crate) username: String,
}

impl Default for App {
    fn default() -> Self {
        Self {
            name: "Example App".into(),
            client_id: "3MVG9FakeOrg.ExternalClientApp_nTK2Wzvd0UJxGw7VbYcQe5RmPz1SaLh8Xo4Df6Kj9Ti3".into(),
            client_secret: "FAKE0RG5ECRET7C1B9E2D4A6F80313579BDF02468ACE13579BDF02468ACE0123".into(),
            secret_required: true,
            scopes: ["api", "id", "openid", "profile", "email", "address", "phone", "refresh_token", "web"]
                .map(String::from)
                .to_vec(),
            redirect_uris: Vec::new(),
            certificate: None,
            exchange: None,
            site: None,
            single_logout_url: None,
            canvas_url: "http://127.0.0.1:8080/canvas".into(),
        }
    }
}

impl App {
    /// Registered callbacks match character for character; with none registered, any loopback URL will do.
    pub(crate) fn accepts_redirect(&self, uri: &str) -> bool {
        if !self.redirect_uris.is_empty() {
            return self.redirect_uris.iter().any(|known| known == uri);
        }
        let Ok(url) = url::Url::parse(uri) else { return false };
        let loopback = match url.host() {
            Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
            Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        };
        loopback && matches!(url.scheme(), "http" | "https") && url.fragment().is_none()
    }
}
