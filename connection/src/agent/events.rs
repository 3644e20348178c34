//! [`AgentEvents`]: the response of an agent while it is being written.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::{Stream, stream};
use serde::Deserialize;

use super::message::AgentMessage;
use crate::{
    error::{InvalidResponse, Result},
    http::event_stream::EventStream,
    request::decode,
};

/// A part of an agent's response.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum AgentEvent {
    /// What the agent is doing, for a line such as "Working on it".
    Progress(Option<String>),
    /// The next piece of the text.
    TextChunk(String),
    /// The text so far failed a check of Salesforce: drop what is shown, and show this instead.
    ValidationFailed(String),
    /// A whole message: the text that the pieces make up (`Inform`), a question, a failure.
    Message(AgentMessage),
    /// The response is complete. The last event of each stream.
    EndOfTurn,
}

/// Leaves out what the agent says.
impl fmt::Debug for AgentEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Progress(_) => f.write_str("Progress"),
            Self::TextChunk(_) => f.write_str("TextChunk"),
            Self::ValidationFailed(_) => f.write_str("ValidationFailed"),
            Self::Message(message) => message.fmt(f),
            Self::EndOfTurn => f.write_str("EndOfTurn"),
        }
    }
}

/// The response of an agent as a stream, made by [`AgentSession::send_streaming`](super::AgentSession::send_streaming).
///
/// Reads no further than the reader does; dropping it closes the connection. Its last item is
/// [`AgentEvent::EndOfTurn`], or an error: a stream that breaks off does not look like a complete response.
#[must_use = "streams do nothing unless polled"]
pub struct AgentEvents(Pin<Box<dyn Stream<Item = Result<AgentEvent>> + Send>>);

impl fmt::Debug for AgentEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentEvents").finish_non_exhaustive()
    }
}

impl Stream for AgentEvents {
    type Item = Result<AgentEvent>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(context)
    }
}

/// An event as it is sent. The guide shows the whole message in two forms (`message`, and `messages` as in a response that
/// is not a stream); both are read.
#[derive(Deserialize)]
struct RawEvent {
    message: Option<AgentMessage>,
    messages: Option<Vec<AgentMessage>>,
}

struct Reader {
    stream: EventStream,
    events: VecDeque<AgentEvent>,
    has_ended: bool,
}

impl AgentEvents {
    pub(super) fn new(stream: EventStream) -> Self {
        let reader = Reader { stream, events: VecDeque::new(), has_ended: false };
        // `try_unfold` ends after an error, and drops the connection with it.
        Self(Box::pin(stream::try_unfold(reader, async |mut reader| {
            Ok(reader.next().await?.map(|event| (event, reader)))
        })))
    }
}

impl Reader {
    async fn next(&mut self) -> Result<Option<AgentEvent>> {
        loop {
            if self.has_ended {
                return Ok(None);
            }
            if let Some(event) = self.events.pop_front() {
                self.has_ended = event == AgentEvent::EndOfTurn;
                return Ok(Some(event));
            }
            let data = self.stream.next().await?;
            let data = data.ok_or(InvalidResponse::Unexpected(
                "an event stream that ended before the end of the turn",
            ))?;
            let raw: RawEvent = decode::json(&data)?;
            let messages = raw.messages.unwrap_or_default().into_iter().chain(raw.message);
            self.events.extend(messages.map(event));
        }
    }
}

fn event(message: AgentMessage) -> AgentEvent {
    match (message.kind.as_str(), message.text) {
        ("ProgressIndicator", text) => AgentEvent::Progress(text),
        ("TextChunk", Some(text)) => AgentEvent::TextChunk(text),
        ("ValidationFailureChunk", Some(text)) => AgentEvent::ValidationFailed(text),
        ("EndOfTurn", _) => AgentEvent::EndOfTurn,
        (_, text) => AgentEvent::Message(AgentMessage { text, ..message }),
    }
}
