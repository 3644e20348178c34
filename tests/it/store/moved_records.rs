//! A program that can write to the store, but has no key, makes no user another one.

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};

use crate::support::{
    ADA, Client, TestApp,
    servers::{Folder, Postgres, Redis},
};
use actix_salesforce::UserRef;
use actix_salesforce::store::{AppKey, GrantFilter, GrantKey};
use salesforce_fake_org::FakeOrg;

const BEN: &str = "ben@example.com";
const KEYS: &str = "q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=";
/// The fields of a login besides its key.
const FIELDS: &str = "grant_key, created, seen, expires, proof";

/// Direct access to a store, around the library.
enum Access {
    Sqlite(String),
    Postgres(String),
    Redis(Redis),
}

/// Keys as the store has them.
struct Keys {
    ada: String,
    ben: String,
    grant_of_ada: String,
    grant_of_ben: String,
}

impl Access {
    async fn sql(&self, statement: &str) {
        let sql = sqlx::raw_sql(AssertSqlSafe(statement.to_owned()));
        match self {
            Self::Sqlite(url) => {
                sql.execute(&mut SqliteConnection::connect(url).await.unwrap()).await.unwrap();
            }
            Self::Postgres(url) => {
                sql.execute(&mut PgConnection::connect(url).await.unwrap()).await.unwrap();
            }
            Self::Redis(_) => unreachable!(),
        }
    }

    async fn save(&self, Keys { ben, grant_of_ben, .. }: &Keys) {
        if let Self::Redis(redis) = self {
            redis.cli(&["COPY", &format!("test:login:{ben}"), "saved:login"]);
            redis.cli(&["COPY", &format!("test:grant:{grant_of_ben}"), "saved:grant"]);
            return;
        }
        self.sql("CREATE TABLE saved_logins AS SELECT * FROM actix_salesforce_logins").await;
        self.sql("CREATE TABLE saved_grants AS SELECT * FROM actix_salesforce_grants").await;
    }

    async fn restore(&self, Keys { ben, grant_of_ben, .. }: &Keys) {
        if let Self::Redis(redis) = self {
            redis.cli(&["COPY", "saved:login", &format!("test:login:{ben}"), "REPLACE"]);
            redis.cli(&["COPY", "saved:grant", &format!("test:grant:{grant_of_ben}"), "REPLACE"]);
            return;
        }
        for table in ["logins", "grants"] {
            self.sql(&format!("DELETE FROM actix_salesforce_{table}")).await;
            self.sql(&format!("INSERT INTO actix_salesforce_{table} SELECT * FROM saved_{table}")).await;
        }
    }

    /// Makes Ben's records say what Ada's say.
    async fn attack(&self, how: &str, Keys { ada, ben, grant_of_ada, grant_of_ben }: &Keys) {
        if let Self::Redis(redis) = self {
            let (ada, ben) = (format!("test:login:{ada}"), format!("test:login:{ben}"));
            let grants = (format!("test:grant:{grant_of_ada}"), format!("test:grant:{grant_of_ben}"));
            match how {
                "copied" => drop(redis.cli(&["COPY", &ada, &ben, "REPLACE"])),
                "pointed" => drop(redis.cli(&["HSET", &ben, "grant", grant_of_ada])),
                "former" => {
                    redis.cli(&["HSET", &ben, "grant", grant_of_ada]);
                    redis.cli(&["HDEL", &ben, "proof"]);
                }
                _ => drop(redis.cli(&["COPY", &grants.0, &grants.1, "REPLACE"])),
            }
            return;
        }
        let logins = "UPDATE actix_salesforce_logins SET";
        let sql = match how {
            "copied" => format!(
                "{logins} ({FIELDS}) = (SELECT {FIELDS} FROM actix_salesforce_logins WHERE login_key = '{ada}') \
                 WHERE login_key = '{ben}'"
            ),
            "pointed" => format!("{logins} grant_key = '{grant_of_ada}' WHERE login_key = '{ben}'"),
            "former" => format!(
                "{logins} grant_key = '{grant_of_ada}', proof = '', created = created - 1000 \
                 WHERE login_key = '{ben}'"
            ),
            _ => format!(
                "UPDATE actix_salesforce_grants SET (version, sealed) = \
                 (SELECT version, sealed FROM actix_salesforce_grants WHERE grant_key = '{grant_of_ada}') \
                 WHERE grant_key = '{grant_of_ben}'"
            ),
        };
        self.sql(&sql).await;
    }
}

async fn check(store: String, access: Access) {
    let org = FakeOrg::start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let app = TestApp::around(org, |builder| builder.keys(KEYS).store_url(store)).await;
    app.logged_in().await;
    app.org.sign_in(&app.org.user(BEN));
    let browser = Client::new();
    assert_eq!(browser.visit(&app.url("/whoami")).await.body, BEN);

    let user = |name: &str| {
        let user = app.org.user(name);
        UserRef::new(user.organization_id().parse().unwrap(), user.id().parse().unwrap())
    };
    let app_key = AppKey::from_client_id(&app.org.client_id());
    let grant = |name: &str| GrantKey::new(app_key, user(name)).to_string();
    let logins = app.salesforce.list_logins(GrantFilter::All).await.unwrap();
    let login = |name: &str| {
        let login = logins.iter().find(|login| login.user_id == user(name).user_id).unwrap();
        login.key.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let (grant_of_ada, grant_of_ben) = (grant(ADA), grant(BEN));
    let keys = Keys { ada: login(ADA), ben: login(BEN), grant_of_ada, grant_of_ben };
    access.save(&keys).await;
    for how in ["copied", "pointed", "former", "tokens"] {
        access.attack(how, &keys).await;
        for path in ["/user", "/whoami", "/auth/salesforce/me"] {
            let page = browser.fetch(&app.url(path)).await;
            assert_eq!(page.status, 401, "{how}: {page:?}");
            assert!(!page.body.contains("ada") && page.set_cookies().is_empty(), "{how}: {page:?}");
        }
        access.restore(&keys).await;
        let page = browser.fetch(&app.url("/user")).await;
        assert_eq!((page.status, &page.json()["username"]), (200, &BEN.into()), "{how}: {page:?}");
    }
}

#[actix_web::test]
async fn a_record_that_is_moved_in_sqlite_makes_no_user_another_one() {
    let folder = Folder::new("moved");
    let url = format!("sqlite:{}", folder.path().join("logins.db").display());
    check(url.clone(), Access::Sqlite(url)).await;
}

#[actix_web::test]
async fn a_record_that_is_moved_in_postgres_makes_no_user_another_one() {
    let postgres = Postgres::start();
    check(postgres.url(), Access::Postgres(postgres.url())).await;
}

#[actix_web::test]
async fn a_record_that_is_moved_in_redis_makes_no_user_another_one() {
    let redis = Redis::start();
    check(format!("{}?prefix=test:", redis.url()), Access::Redis(redis)).await;
}
