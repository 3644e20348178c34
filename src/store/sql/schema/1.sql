-- Times named *_at are microseconds since 1970, as the program gave them, for people. What decides is gone_at:
-- milliseconds on the database's own clock, from which on a row counts as absent.
CREATE TABLE actix_salesforce_grants (
    grant_key TEXT PRIMARY KEY,
    org TEXT NOT NULL,
    user_id TEXT NOT NULL,
    format BIGINT NOT NULL,
    lineage BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    sealed {bytes} NOT NULL,
    updated_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    gone_at BIGINT NOT NULL
);
CREATE INDEX actix_salesforce_grants_org ON actix_salesforce_grants (org, user_id);
CREATE INDEX actix_salesforce_grants_gone ON actix_salesforce_grants (gone_at);

-- A login without a grant is a tombstone: it was logged out, and its key is not to be used again.
CREATE TABLE actix_salesforce_logins (
    login_key {bytes} PRIMARY KEY,
    grant_key TEXT,
    format BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    gone_at BIGINT NOT NULL
);
CREATE INDEX actix_salesforce_logins_grant ON actix_salesforce_logins (grant_key);
CREATE INDEX actix_salesforce_logins_gone ON actix_salesforce_logins (gone_at);

CREATE TABLE actix_salesforce_leases (
    grant_key TEXT PRIMARY KEY,
    holder {bytes} NOT NULL,
    gone_at BIGINT NOT NULL
);
CREATE INDEX actix_salesforce_leases_gone ON actix_salesforce_leases (gone_at);

CREATE TABLE actix_salesforce_once (
    once_key {bytes} PRIMARY KEY,
    gone_at BIGINT NOT NULL
);
CREATE INDEX actix_salesforce_once_gone ON actix_salesforce_once (gone_at);
