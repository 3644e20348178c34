//! One subscription: credit, events, signs of life.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::Stream;
use futures_util::stream;
use tokio::sync::mpsc;
use tonic::{Code, Status, Streaming};

use super::Fetch;
use super::fault::Kind;
use super::log::{BadPosition, Topic, replay_id};
use super::messages::{ConsumerEvent, FetchRequest, FetchResponse, ProducerEvent};
use super::service::{fault_status, refusal, topic};
use crate::base::clock::Millis;
use crate::base::random;
use crate::state::Org;

/// Most outstanding events; a request for more is cut. Source: Pub/Sub API documentation, "Flow Control".
const MOST_OUTSTANDING: i32 = 100;
/// The longest time without a response while events are outstanding. Source: comment in `pubsub_api.proto`.
const SIGN_OF_LIFE: Millis = 270_000;
/// How long a stream lives without credit. Source: "Flow Control".
const WITHOUT_CREDIT: Millis = 60_000;
/// How often the org's clock is looked at.
const TICK: Duration = Duration::from_millis(20);

type Sender = mpsc::Sender<Result<FetchResponse, Status>>;

/// Starts a subscription, and returns its responses. It ends with the connection of its client.
pub(super) fn open(
    org: Arc<Org>,
    requests: Streaming<FetchRequest>,
    reset: Arc<AtomicBool>,
) -> impl Stream<Item = Result<FetchResponse, Status>> + Send {
    let (responses, mut receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let outcome = run(&org, requests, &responses).await;
        match outcome {
            Ok(End::Quiet) => {}
            Ok(End::Reset) => reset.store(true, Ordering::SeqCst),
            Ok(End::Stall) => responses.closed().await,
            // Fails only if the client has left.
            Err(status) => drop(responses.send(Err(status)).await),
        }
    });
    stream::poll_fn(move |cx| receiver.poll_recv(cx))
}

/// How a subscription ends without a status.
enum End {
    Quiet,
    Reset,
    Stall,
}

/// What a subscription has told and was told.
struct Subscription<'a> {
    org: &'a Org,
    number: u64,
    name: String,
    topic: Topic,
    position: u64,
    outstanding: i32,
    delivered: u64,
    /// When the last response was sent.
    last: Millis,
}

async fn run(org: &Org, mut requests: Streaming<FetchRequest>, responses: &Sender) -> Result<End, Status> {
    let Some(first) = requests.message().await? else { return Ok(End::Quiet) };
    let mut subscription = begin(org, &first)?;
    let mut newest = org.pubsub.log.watch();
    loop {
        if let Some(end) = subscription.deliver(responses).await? {
            return Ok(end);
        }
        let now = org.clock.now();
        if subscription.outstanding == 0 && now - subscription.last >= WITHOUT_CREDIT {
            return Ok(End::Quiet);
        }
        if subscription.outstanding > 0 && now - subscription.last >= SIGN_OF_LIFE {
            subscription.position = org.pubsub.log.mark(now);
            subscription.send(Vec::new(), responses).await;
        }
        tokio::select! {
            request = requests.message() => match request? {
                Some(request) => subscription.fetch(&request)?,
                // The client has closed its side: it wants no more.
                None => return Ok(End::Quiet),
            },
            _ = newest.changed() => {}
            () = responses.closed() => return Ok(End::Quiet),
            () = tokio::time::sleep(TICK) => {}
        }
    }
}

/// Checks the first request, which fixes topic and position.
fn begin<'a>(org: &'a Org, first: &FetchRequest) -> Result<Subscription<'a>, Status> {
    let log = &org.pubsub.log;
    let topic = topic(org, &first.topic_name)?;
    let now = org.clock.now();
    let (start, position) = match first.replay_preset {
        0 => ("latest".to_owned(), log.newest()),
        1 => ("earliest".to_owned(), 0),
        _ => {
            let position = log.position(&first.replay_id, now).map_err(|bad| match bad {
                BadPosition::Malformed => refusal(
                    Code::InvalidArgument,
                    "subscription.fetch.replayid.validation.failed",
                    "The Replay ID validation failed. Ensure that the Replay ID is valid.",
                ),
                BadPosition::Unknown => refusal(
                    Code::InvalidArgument,
                    "subscription.fetch.replayid.corrupted",
                    "The Replay ID is corrupted, or its event is older than the retention of 72 hours.",
                ),
            })?;
            (position.to_string(), position)
        }
    };
    org.pubsub.count("stream");
    let number = crate::base::lock(&org.pubsub.calls).get("stream").copied().unwrap_or_default();
    let name = first.topic_name.clone();
    let mut subscription =
        Subscription { org, number, name, topic, position, outstanding: 0, delivered: 0, last: now };
    subscription.credit(first, Some(start))?;
    Ok(subscription)
}

impl Subscription<'_> {
    /// Takes a later request.
    fn fetch(&mut self, request: &FetchRequest) -> Result<(), Status> {
        if !request.topic_name.is_empty() && request.topic_name != self.name {
            let code = "subscription.fetch.topic.mismatch";
            return Err(refusal(
                Code::InvalidArgument,
                code,
                "The topic differs from that of the first request.",
            ));
        }
        if request.replay_preset != 0 || !request.replay_id.is_empty() {
            let code = "subscription.fetch.replay.repeated";
            return Err(refusal(Code::InvalidArgument, code, "Only the first request has a position."));
        }
        self.credit(request, None)
    }

    fn credit(&mut self, request: &FetchRequest, start: Option<String>) -> Result<(), Status> {
        let pubsub = &self.org.pubsub;
        let (requested, outstanding) = (request.num_requested, self.outstanding);
        pubsub.note(Fetch { stream: self.number, start, requested, outstanding });
        if !request.auth_refresh.is_empty() {
            let code = "subscription.auth.refresh.invalid";
            return Err(refusal(Code::InvalidArgument, code, "auth_refresh is reserved."));
        }
        if requested <= 0 {
            let code = "subscription.fetch.requested.events.invalid";
            return Err(refusal(Code::InvalidArgument, code, "The number of requested events is invalid."));
        }
        let sum = outstanding.saturating_add(requested);
        if sum > MOST_OUTSTANDING {
            pubsub.violated(format!("{requested} events requested while {outstanding} were outstanding"));
        }
        self.outstanding = sum.min(MOST_OUTSTANDING);
        Ok(())
    }

    /// Sends the events that are there and requested. A fault strikes between two events.
    async fn deliver(&mut self, responses: &Sender) -> Result<Option<End>, Status> {
        let pubsub = &self.org.pubsub;
        loop {
            match pubsub.faults.strike("Subscribe", self.delivered) {
                None => {}
                Some(Kind::Status { status, code }) => return Err(fault_status(status, &code)),
                Some(Kind::Reset) => return Ok(Some(End::Reset)),
                Some(Kind::End) => return Ok(Some(End::Quiet)),
                Some(Kind::Stall) => return Ok(Some(End::Stall)),
            }
            let until_fault =
                pubsub.faults.next("Subscribe").map(|after| after.saturating_sub(self.delivered));
            let credit = u64::try_from(self.outstanding).unwrap_or_default();
            let most = usize::try_from(until_fault.unwrap_or(credit).min(credit)).unwrap_or_default();
            let events = pubsub.log.after(&self.topic, self.position, most, self.org.clock.now());
            let Some((position, _)) = events.last() else { return Ok(None) };
            self.position = *position;
            self.delivered += u64::try_from(events.len()).unwrap_or_default();
            self.outstanding -= i32::try_from(events.len()).unwrap_or_default();
            let events = events.into_iter().map(|(id, event)| ConsumerEvent {
                event: Some(ProducerEvent {
                    id: event.id,
                    schema_id: event.schema_id,
                    payload: event.payload,
                    headers: Vec::new(),
                }),
                replay_id: replay_id(id),
            });
            self.send(events.collect(), responses).await;
        }
    }

    async fn send(&mut self, events: Vec<ConsumerEvent>, responses: &Sender) {
        let response = FetchResponse {
            events,
            latest_replay_id: replay_id(self.position),
            rpc_id: random::plain(20),
            pending_num_requested: self.outstanding,
        };
        self.last = self.org.clock.now();
        // Fails only if the client has left, which the next turn sees.
        let _ = responses.send(Ok(response)).await;
    }
}
