//! Conversations with an agent of Agentforce (Agent API), as whole messages or as a stream of events.
//!
//! Source: Agentforce Developer Guide, "Agent API Examples", "Get Started with the Agent API", "Agent API
//! Considerations"; what is sent and returned is listed in the repository (`docs/protocol/agent-api.md`).
//!
//! ```
//! use futures_util::TryStreamExt;
//! use salesforce_connection::{Client, agent::AgentEvent};
//! # use salesforce_connection::{
//! #     Connection,
//! #     http::AllowedHosts,
//! #     oauth::{LoginHost, OAuthApp, OAuthClient},
//! #     token::{ServiceTokenSource, ServiceUser},
//! # };
//! # use salesforce_fake_org::{AccessTokens, FakeOrg};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let agent = serde_json::json!({ "agents": [{ "id": "0XxKa0000000001KAA", "replies": { "hello": "Hi there." } }] });
//! # let org = FakeOrg::builder().declare_json(&agent.to_string())?.scopes("api sfap_api").execution_user("ada@example.com");
//! # let org = org.access_tokens(AccessTokens::Jwt(std::time::Duration::from_secs(900))).start().await?;
//! # let host: LoginHost = org.instance_url().parse()?;
//! # let name = org.api_url();
//! # let builder = Client::builder().allowed_hosts(AllowedHosts::new([name.parse()?, host.as_url().clone()]));
//! // `name` is "api.salesforce.com".
//! let client = builder.api_host(&*name).build()?;
//! # let oauth = OAuthClient::with_client(OAuthApp::new(org.client_id(), Some(org.client_secret().into())), &client);
//! # let source = ServiceTokenSource::builder(oauth, ServiceUser::client_credentials(host)).build();
//! # let sf = Connection::new(&client, source.connect().await?);
//!
//! let mut session = sf.api_host(&name)?.agent("0XxKa0000000001KAA".parse()?).start().await?;
//! let mut events = session.send_streaming("hello").await?;
//! let mut text = String::new();
//! while let Some(event) = events.try_next().await? {
//!     match event {
//!         AgentEvent::TextChunk(chunk) => text.push_str(&chunk),
//!         AgentEvent::ValidationFailed(chunk) => text = chunk,
//!         _ => {}
//!     }
//! }
//! assert_eq!(text, "Hi there.");
//! session.end().await?;
//! # Ok(())
//! # }
//! ```

mod events;
mod message;
mod session;

pub use self::{
    events::{AgentEvent, AgentEvents},
    message::AgentMessage,
    session::{AgentSession, StartAgentSession},
};
