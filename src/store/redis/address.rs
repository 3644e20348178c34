//! Parses the address of Redis from `SALESFORCE_STORE`.

use redis::{Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisResult, io::tcp::TcpSettings};
use url::Url;

use super::servers::Servers;

/// Maximum length of a prefix, in bytes. Every key has it, so a longer one would only cost memory.
const MAX_PREFIX: usize = 64;
/// The prefix in a cluster if the given one contains no usable hash tag.
const CLUSTER_PREFIX: &str = "{actix-salesforce}:";

/// The servers and the prefix of the keys.
#[derive(Debug)]
pub(super) struct Address {
    kind: Kind,
    /// The hosts that the address names.
    hosts: Vec<ConnectionInfo>,
    pub(super) prefix: String,
}

#[derive(Debug)]
enum Kind {
    One(ConnectionInfo),
    /// The hosts are sentinels that watch the primary of this name.
    Sentinel {
        name: String,
        primary: ConnectionInfo,
    },
    Cluster,
}

/// Why an address is invalid. Never repeats the address, which may contain a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvalidAddress {
    #[error(
        "invalid Redis URL. Use redis://[user:password@]host[:port][/database], redis+sentinel://[user:password@]host[:port],…/name[/database] \
         or redis+cluster://[user:password@]host[:port],…; with rediss for TLS"
    )]
    Form,
    #[error("invalid prefix in the Redis URL. Use 1 to {MAX_PREFIX} letters, digits and any of -_.:{{}}")]
    Prefix,
}

impl Address {
    pub(super) fn parse(text: &str, prefix: &str) -> Result<Self, InvalidAddress> {
        let (scheme, rest) = text.trim().split_once("://").ok_or(InvalidAddress::Form)?;
        let (scheme, kind) = scheme.split_once('+').unwrap_or((scheme, ""));
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (credentials, hosts) = match authority.rsplit_once('@') {
            Some((credentials, hosts)) => (format!("{credentials}@"), hosts),
            None => (String::new(), authority),
        };
        let mut urls = Vec::new();
        for host in hosts.split(',') {
            let url = Url::parse(&format!("{scheme}://{credentials}{host}{path}"));
            urls.push(url.map_err(|_| InvalidAddress::Form)?);
        }
        let mut query = Query::take_from(&mut urls)?;
        let prefix = query.prefix.take().unwrap_or_else(|| prefix.to_owned());
        let (kind, hosts, prefix) = match kind {
            "" => {
                let [server] = <[_; 1]>::try_from(infos(urls)?).map_err(|_| InvalidAddress::Form)?;
                (Kind::One(server.clone()), vec![server], prefix)
            }
            "sentinel" => {
                let (kind, sentinels) = sentinel(urls, query)?;
                (kind, sentinels, prefix)
            }
            // A cluster has only database 0.
            "cluster" if urls.iter().all(|url| matches!(url.path(), "" | "/")) => {
                (Kind::Cluster, infos(urls)?, in_one_slot(prefix))
            }
            _ => return Err(InvalidAddress::Form),
        };
        Ok(Self { kind, hosts, prefix })
    }

    pub(super) fn is_tls(&self) -> bool {
        self.hosts.iter().any(|host| matches!(host.addr(), ConnectionAddr::TcpTls { .. }))
    }

    pub(super) fn servers(&self) -> RedisResult<Servers> {
        let hosts = self.hosts.clone();
        match &self.kind {
            Kind::Sentinel { name, primary } => {
                Ok(Servers::Sentinel { sentinels: hosts, name: name.clone(), primary: primary.clone() })
            }
            Kind::Cluster => Servers::cluster(self.hosts.clone()),
            Kind::One(server) => Client::open(server.clone()).map(Servers::One),
        }
    }
}

/// The query parameters that are ours and not those of the Redis client.
#[derive(Default)]
struct Query {
    prefix: Option<String>,
    sentinel_user: Option<String>,
    sentinel_password: Option<String>,
}

impl Query {
    /// Takes our parameters out of all URLs, which have the same query.
    fn take_from(urls: &mut [Url]) -> Result<Self, InvalidAddress> {
        let mut ours = Self::default();
        for url in urls {
            // The client reads `#insecure` as: do not verify certificates.
            if !matches!(url.scheme(), "redis" | "rediss") || url.fragment().is_some() {
                return Err(InvalidAddress::Form);
            }
            ours = Self::default();
            let mut theirs = Vec::new();
            for (name, value) in url.query_pairs() {
                let member = match &*name {
                    "prefix" if !is_prefix(&value) || ours.prefix.is_some() => {
                        return Err(InvalidAddress::Prefix);
                    }
                    "prefix" => &mut ours.prefix,
                    "sentinel_user" => &mut ours.sentinel_user,
                    "sentinel_password" => &mut ours.sentinel_password,
                    _ => {
                        theirs.push((name.into_owned(), value.into_owned()));
                        continue;
                    }
                };
                *member = Some(value.into_owned());
            }
            url.set_query(None);
            if !theirs.is_empty() {
                url.query_pairs_mut().extend_pairs(theirs);
            }
        }
        Ok(ours)
    }
}

/// Parses `…/name[/database]`. Credentials and database are those of the primary.
fn sentinel(mut urls: Vec<Url>, query: Query) -> Result<(Kind, Vec<ConnectionInfo>), InvalidAddress> {
    let first = urls.first_mut().ok_or(InvalidAddress::Form)?;
    let path = first.path().trim_matches('/').to_owned();
    let (name, database) = path.split_once('/').unwrap_or((&path, ""));
    let name = url::form_urlencoded::parse(format!("name={}", name.replace('+', "%2B")).as_bytes())
        .next()
        .map(|(_, name)| name.into_owned())
        .filter(|name| !name.is_empty())
        .ok_or(InvalidAddress::Form)?;
    first.set_path(database);
    let primary = info(first.as_str())?;
    for url in &mut urls {
        url.set_path("");
        url.set_query(None);
        let user = query.sentinel_user.as_deref().unwrap_or_default();
        let ready =
            url.set_username(user).and_then(|()| url.set_password(query.sentinel_password.as_deref()));
        ready.map_err(|()| InvalidAddress::Form)?;
        if url.port().is_none() {
            url.set_port(Some(26_379)).map_err(|()| InvalidAddress::Form)?;
        }
    }
    Ok((Kind::Sentinel { name, primary }, infos(urls)?))
}

fn infos(urls: Vec<Url>) -> Result<Vec<ConnectionInfo>, InvalidAddress> {
    urls.into_iter().map(info).collect()
}

fn info(url: impl IntoConnectionInfo) -> Result<ConnectionInfo, InvalidAddress> {
    let info = url.into_connection_info().map_err(|_| InvalidAddress::Form)?;
    // Many callers share a connection. A command must not wait until the server has confirmed the one before.
    Ok(info.set_tcp_settings(TcpSettings::default().set_nodelay(true)))
}

fn is_prefix(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:{}".contains(&byte);
    (1..=MAX_PREFIX).contains(&text.len()) && text.bytes().all(allowed)
}

/// Makes the prefix a hash tag unless it contains one. An operation is one step over several keys, which a cluster
/// supports only for keys with the same hash tag (Redis Cluster specification, "Hash tags").
fn in_one_slot(prefix: String) -> String {
    let tagged = prefix.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
    let name = prefix.trim_end_matches(':');
    match tagged {
        Some((tag, _)) if !tag.is_empty() => prefix,
        _ if name.is_empty() || name.contains(['{', '}']) => CLUSTER_PREFIX.to_owned(),
        _ => format!("{{{name}}}:"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_name_a_user_a_database_and_a_prefix() {
        let address =
            Address::parse("redis://me:p%40ss@redis.example:6380/3?prefix=shop:&protocol=resp3", "usual:")
                .unwrap();
        assert_eq!(address.prefix, "shop:");
        assert!(!address.is_tls());
        let settings = address.hosts[0].redis_settings();
        assert_eq!((settings.username(), settings.password(), settings.db()), (Some("me"), Some("p@ss"), 3));
        assert_eq!(
            Address::parse("rediss://redis.example", "usual:").map(|it| (it.is_tls(), it.prefix)),
            Ok((true, "usual:".into()))
        );
    }

    #[test]
    fn an_address_may_name_sentinels_and_their_primary() {
        let text = "rediss+sentinel://me:p%40ss@a.example,b.example:26380/main/2?sentinel_password=other&prefix=shop:";
        let address = Address::parse(text, "usual:").unwrap();
        assert_eq!((address.prefix.as_str(), address.is_tls()), ("shop:", true));
        let hosts: Vec<_> = address.hosts.iter().map(|host| host.addr().to_string()).collect();
        assert_eq!(hosts, ["a.example:26379", "b.example:26380"]);
        assert_eq!(address.hosts[1].redis_settings().password(), Some("other"));
        assert_eq!(address.hosts[1].redis_settings().username(), None);
        let Kind::Sentinel { name, primary } = address.kind else { panic!("sentinels") };
        let settings = primary.redis_settings();
        assert_eq!(
            (name.as_str(), settings.username(), settings.password()),
            ("main", Some("me"), Some("p@ss"))
        );
        assert_eq!(settings.db(), 2);
    }

    #[test]
    fn all_keys_of_a_cluster_have_one_hash_tag() {
        for (query, prefix) in [
            ("", "{usual}:"),
            ("?prefix=shop:", "{shop}:"),
            ("?prefix={shop}", "{shop}"),
            ("?prefix=a:{shop}:b:", "a:{shop}:b:"),
            ("?prefix={}", CLUSTER_PREFIX),
            ("?prefix=shop}:", CLUSTER_PREFIX),
        ] {
            let address =
                Address::parse(&format!("redis+cluster://a.example,b.example:7001{query}"), "usual:");
            let address = address.unwrap();
            assert_eq!((address.prefix.as_str(), address.hosts.len()), (prefix, 2), "{query}");
        }
    }

    #[test]
    fn an_error_does_not_repeat_the_address() {
        for (text, error) in [
            ("redis://:hunter2@", InvalidAddress::Form),
            ("http://hunter2.example", InvalidAddress::Form),
            ("rediss://:hunter2@redis.example/#insecure", InvalidAddress::Form),
            ("redis://:hunter2@redis.example/hunter2", InvalidAddress::Form),
            ("redis://:hunter2@a.example,b.example", InvalidAddress::Form),
            ("redis+cluster://:hunter2@a.example,b.example/2", InvalidAddress::Form),
            ("redis+sentinel://:hunter2@a.example,b.example", InvalidAddress::Form),
            ("redis+sentinel://:hunter2@a.example,b.example/main/hunter2", InvalidAddress::Form),
            ("redis+hunter2://a.example", InvalidAddress::Form),
            ("redis://:hunter2@redis.example/?prefix=", InvalidAddress::Prefix),
            ("redis://:hunter2@redis.example/?prefix=a%20b", InvalidAddress::Prefix),
            ("redis://:hunter2@redis.example/?prefix=a&prefix=b", InvalidAddress::Prefix),
        ] {
            let refused = Address::parse(text, "").map(|_| ()).unwrap_err();
            assert_eq!(refused, error, "{text}");
            assert!(!format!("{refused} {refused:?}").contains("hunter2"));
        }
    }
}
