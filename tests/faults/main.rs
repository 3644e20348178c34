//! The fault matrix over real processes and real servers: one test per row, named after it, on Redis and on PostgreSQL.
//! `tests/README.md` says where the same rows are tested more finely.
#![cfg(all(feature = "redis", feature = "sqlite", feature = "postgres"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]
#![allow(unreachable_pub, reason = "modules of one test")]

mod fleet;
mod people;
mod processes;
mod store;
#[path = "../support/mod.rs"]
mod support;
mod token_endpoint;

/// Each row as two tests, `row::on_redis` and `row::on_postgres`.
macro_rules! on_redis_and_postgres {
    ($($row:ident),* $(,)?) => {$(
        mod $row {
            use crate::fleet::Kind;

            #[actix_web::test]
            async fn on_redis() {
                super::$row(Kind::Redis).await;
            }

            #[actix_web::test]
            async fn on_postgres() {
                super::$row(Kind::Postgres).await;
            }
        }
    )*};
}
pub(crate) use on_redis_and_postgres;
