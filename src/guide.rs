//! Pages about using and running an app.

macro_rules! pages {
    ($($(#[$attribute:meta])* $name:ident: $file:literal,)*) => {$(
        #[doc = include_str!("../docs/rustdoc-links.md")]
        #[doc = include_str!($file)]
        $(#[$attribute])*
        pub mod $name {}
    )*};
}

pages! {
    #[doc(alias = "environment")]
    #[doc(alias = "configuration")]
    settings: "../docs/settings.md",
    #[doc(alias = "timeout")]
    #[doc(alias = "expiry")]
    #[doc(alias = "ttl")]
    lifetimes: "../docs/lifetimes.md",
    #[doc(alias = "nginx")]
    #[doc(alias = "proxy")]
    #[doc(alias = "tracing")]
    #[doc(alias = "logging")]
    #[doc(alias = "health")]
    #[doc(alias = "readiness")]
    #[doc(alias = "key rotation")]
    #[doc(alias = "backup")]
    #[doc(alias = "upgrade")]
    operations: "../docs/operations.md",
    #[cfg(feature = "events")]
    #[doc(alias = "pubsub")]
    #[doc(alias = "change data capture")]
    events: "../docs/events.md",
    #[doc(alias = "permission")]
    #[doc(alias = "profile")]
    #[doc(alias = "authorization")]
    access_rules: "../docs/access-rules.md",
    #[doc(alias = "tenant")]
    #[doc(alias = "multi_tenant")]
    #[doc(alias = "account switcher")]
    #[doc(alias = "sandbox")]
    orgs: "../docs/orgs.md",
    #[doc(alias = "sign out")]
    #[doc(alias = "single logout")]
    logout: "../docs/logout.md",
    #[doc(alias = "immediate")]
    silent_login: "../docs/silent-login.md",
    #[doc(alias = "signed request")]
    #[doc(alias = "iframe")]
    canvas: "../docs/canvas.md",
    #[doc(alias = "csrf")]
    #[doc(alias = "xsrf")]
    cross_site_posts: "../docs/cross-site-posts.md",
    #[doc(alias = "cron")]
    #[doc(alias = "worker")]
    background_jobs: "../docs/background-jobs.md",
    #[doc(alias = "oauth_account_linking")]
    #[doc(alias = "tenant")]
    #[doc(alias = "subdomain")]
    app_accounts: "../docs/app-accounts.md",
    #[doc(alias = "apex")]
    #[doc(alias = "named credential")]
    #[doc(alias = "outbound message")]
    #[doc(alias = "webhook")]
    inbound: "../docs/inbound.md",
    #[doc(alias = "glossary")]
    architecture: "../docs/architecture.md",
    #[doc(alias = "security")]
    threat_model: "../docs/threat-model.md",
    faults: "../docs/faults.md",
    comparison: "../docs/comparison.md",
}
