//! A real browser: headless Chromium through chromedriver.

use std::{
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use fantoccini::{Client, ClientBuilder, Locator};

/// A browser with a separate profile. It ends when this is dropped.
pub struct Browser {
    pub page: Client,
    driver: Driver,
}

struct Driver {
    process: Child,
    profile: PathBuf,
}

impl Drop for Driver {
    fn drop(&mut self) {
        // The browser is of the driver's process group; it would outlive a test that failed.
        let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", self.process.id())]).status();
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}

impl Browser {
    pub async fn start() -> Self {
        Self::with(&[], serde_json::json!({})).await
    }

    /// One that prefers dark pages.
    pub async fn dark() -> Self {
        Self::with(&["--blink-settings=preferredColorScheme=0"], serde_json::json!({})).await
    }

    /// A browser that sends cookies with `SameSite=None` in frames of other sites: some builds block those by default.
    pub async fn with_cookies_of_other_sites() -> Self {
        let preferences = serde_json::json!({
            "profile.cookie_controls_mode": 0,
            "profile.block_third_party_cookies": false,
        });
        Self::with(&[], preferences).await
    }

    /// One with more arguments, and with these preferences.
    async fn with(more: &[&str], preferences: serde_json::Value) -> Self {
        let port = super::free_port();
        let profile =
            std::env::temp_dir().join(format!("actix-salesforce-browser-{}-{port}", std::process::id()));
        let process = Command::new("chromedriver")
            .args([format!("--port={port}"), "--allowed-ips=127.0.0.1".to_owned()])
            .process_group(0)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is missing: install the Debian packages chromium and chromium-driver");
        let driver = Driver { process, profile: profile.clone() };
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1100,800",
            &format!("--user-data-dir={}", profile.display()),
        ]
        .into_iter()
        .chain(more.iter().copied())
        .map(str::to_owned)
        .collect::<Vec<_>>();
        let options = serde_json::json!({ "args": arguments, "prefs": preferences });
        let capabilities = serde_json::json!({ "goog:chromeOptions": options });
        let capabilities = capabilities.as_object().unwrap().clone();
        let mut builder = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new());
        builder.capabilities(capabilities);
        let address = format!("http://127.0.0.1:{port}");
        for _ in 0..100 {
            if let Ok(page) = builder.connect(&address).await {
                return Self { page, driver };
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("chromium did not start: install the Debian packages chromium and chromium-driver");
    }

    pub async fn goto(&self, url: &str) {
        self.page.goto(url).await.expect("a page");
    }

    pub async fn click(&self, css: &str) {
        self.page.wait().for_element(Locator::Css(css)).await.expect(css).click().await.expect("a click");
    }

    pub async fn fill(&self, css: &str, text: &str) {
        let field = self.page.wait().for_element(Locator::Css(css)).await.expect(css);
        field.clear().await.expect("an empty field");
        field.send_keys(text).await.expect("typing");
    }

    /// Sends keys to the element that has the focus.
    pub async fn press(&self, keys: &str) {
        self.page.active_element().await.expect("a focus").send_keys(keys).await.expect("a key");
    }

    /// Presses Tab until an element that this selects has the focus, which has to be visible.
    pub async fn tab_to(&self, css: &str) {
        let script = "const focused = document.activeElement; const style = getComputedStyle(focused); \
                      return [focused.matches(arguments[0]), style.outlineStyle !== 'none' && \
                      parseFloat(style.outlineWidth) >= 1]";
        for _ in 0..60 {
            self.press("\u{e004}").await;
            let found = self.page.execute(script, vec![css.into()]).await.expect("a script");
            if found[0] == true {
                assert_eq!(found[1], true, "the focus on {css} cannot be seen");
                return;
            }
        }
        panic!("Tab does not lead to {css}");
    }

    pub async fn wait_for_element(&self, css: &str) {
        self.page.wait().for_element(Locator::Css(css)).await.expect(css);
    }

    /// The text of the page; of the next one if this page is being left.
    pub async fn text(&self) -> String {
        for _ in 0..100 {
            if let Ok(body) = self.page.find(Locator::Css("body")).await
                && let Ok(text) = body.text().await
            {
                return text;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("a page without a text")
    }

    /// Waits until the page that a click leads to is there: it has this text.
    pub async fn wait_for_text(&self, part: &str) {
        for _ in 0..100 {
            if self.text().await.contains(part) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{part}: {}", self.text().await);
    }

    pub async fn url(&self) -> url::Url {
        self.page.current_url().await.expect("a URL").as_str().parse().unwrap()
    }

    /// Waits until the page of this path is there.
    pub async fn wait_for_path(&self, path: &str) {
        for _ in 0..100 {
            if self.url().await.path() == path {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("still at {}, not at {path}: {}", self.url().await, self.text().await);
    }

    /// The status that a script of this page gets from a path of the same origin.
    pub async fn fetch_status(&self, path: &str) -> u64 {
        let script = "const [path, done] = arguments; fetch(path).then(response => done(response.status))";
        let status = self.page.execute_async(script, vec![path.into()]).await.expect("a script");
        status.as_u64().expect("a status")
    }

    /// Opens another tab and goes there; gives the handles of the old and of the new one.
    pub async fn new_tab(&self) -> (fantoccini::wd::WindowHandle, fantoccini::wd::WindowHandle) {
        let old = self.page.window().await.expect("a window");
        let new = self.page.new_window(true).await.expect("a tab").handle;
        self.page.switch_to_window(new.clone()).await.expect("the tab");
        (old, new)
    }

    /// Keeps a picture in `target/tmp/screenshots`.
    pub async fn screenshot(&self, name: &str) {
        let folder = option_env!("CARGO_TARGET_TMPDIR").map_or_else(std::env::temp_dir, PathBuf::from);
        let folder = folder.join("screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), self.page.screenshot().await.expect("a picture"))
            .unwrap();
    }

    pub async fn close(self) {
        let _ = self.page.close().await;
        drop(self.driver);
    }
}
