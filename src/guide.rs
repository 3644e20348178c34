//! Pages about using and running an app.

macro_rules! pages {
    ($($name:ident: $file:literal,)*) => {$(
        #[doc = include_str!("../docs/rustdoc-links.md")]
        #[doc = include_str!($file)]
        pub mod $name {}
    )*};
}

pages! {
    settings: "../docs/settings.md",
    lifetimes: "../docs/lifetimes.md",
    operations: "../docs/operations.md",
    access_rules: "../docs/access-rules.md",
    cross_site_posts: "../docs/cross-site-posts.md",
    background_jobs: "../docs/background-jobs.md",
    architecture: "../docs/architecture.md",
    threat_model: "../docs/threat-model.md",
    faults: "../docs/faults.md",
    comparison: "../docs/comparison.md",
}
