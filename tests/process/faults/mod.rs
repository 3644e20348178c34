//! The fault matrix over real processes and real stores: one test per row, named after it, on Redis, on PostgreSQL, and on
//! a SQLite file where the row is not about a server. `docs/test-map.md` says where the same rows are tested more finely.

mod fleet;
mod people;
mod processes;
mod refresh_outcomes;
mod store;
mod token_endpoint;

/// A row as one test for each kind of store.
macro_rules! row {
    ($row:ident: $($name:ident = $kind:ident),*) => {
        mod $row {
            $(
                #[actix_web::test]
                async fn $name() {
                    super::$row(crate::faults::fleet::Kind::$kind).await;
                }
            )*
        }
    };
}
pub(crate) use row;

/// Rows about a server.
macro_rules! on_redis_and_postgres {
    ($($row:ident),* $(,)?) => {$(
        $crate::faults::row!($row: on_redis = Redis, on_postgres = Postgres);
    )*};
}
pub(crate) use on_redis_and_postgres;

/// Rows about any store.
macro_rules! on_each_store {
    ($($row:ident),* $(,)?) => {$(
        $crate::faults::row!($row: on_redis = Redis, on_postgres = Postgres, on_a_file = Sqlite);
    )*};
}
pub(crate) use on_each_store;
