//! axe-core in the browser: what it finds on a page (WCAG 2.2 level AA, and its best practices).

use std::path::Path;

use super::browser::Browser;

/// Returns the findings of axe-core on the page that the browser shows, one line each.
pub async fn findings(browser: &Browser) -> Vec<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/node_modules/axe-core/axe.min.js");
    let axe = std::fs::read_to_string(&file).expect("axe-core is missing: run `scripts/setup test`");
    browser.page.execute(&axe, Vec::new()).await.expect("axe-core starts");
    let script = "const done = arguments[0]; axe.run(document, { resultTypes: ['violations', 'incomplete'] }).then(\
         result => done(result.violations.concat(result.incomplete).map(\
             rule => rule.id + ': ' + rule.nodes.map(node => node.html).join(' | '))),\
         error => done(['axe-core failed: ' + error]))";
    let found = browser.page.execute_async(script, Vec::new()).await.expect("axe-core ends");
    serde_json::from_value(found).expect("a list")
}
