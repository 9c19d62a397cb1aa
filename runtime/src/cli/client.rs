//! A client of a cluster: finds the node to ask, asks it, and asks again for a while when the reason may pass.

use std::{
    collections::BTreeMap,
    io::{Write, stderr},
    time::Duration,
};

use kafka_protocol::{
    messages::{
        FindCoordinatorRequest, GroupId, MetadataRequest, MetadataResponse, TopicName,
        metadata_request::MetadataRequestTopic, metadata_response::MetadataResponseTopic,
    },
    protocol::{Request, StrBytes},
};
use tokio::time::{Instant, sleep};

use super::{
    Connect,
    connection::Connection,
    failure::{Failure, check},
};
use crate::settings::HostPort;

/// Pauses between attempts grow from here,
const PAUSE_MIN: Duration = Duration::from_millis(20);
/// to here.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Whom to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Node {
    /// Any broker.
    Any,
    /// The one of that id.
    Id(i32),
}

/// A client.
pub(super) struct Client {
    bootstrap: Vec<HostPort>,
    timeout: Duration,
    /// Until when what is under way may take.
    deadline: Instant,
    addresses: BTreeMap<i32, HostPort>,
    connections: BTreeMap<Node, Connection>,
    /// The user knows that we are waiting.
    told: bool,
}

impl Client {
    pub(super) fn new(connect: &Connect) -> Client {
        Client {
            bootstrap: connect.bootstrap.clone(),
            timeout: connect.timeout,
            deadline: Instant::now() + connect.timeout,
            addresses: BTreeMap::new(),
            connections: BTreeMap::new(),
            told: false,
        }
    }

    /// Attempts until it works, the reason why it does not will not pass, or the time is up. An attempt starts from nothing: it
    /// looks up leaders and coordinators itself.
    ///
    /// # Errors
    /// The last attempt's.
    pub(super) async fn retry<T>(
        &mut self,
        attempt: impl AsyncFnMut(&mut Client) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.retry_for(self.timeout, attempt).await
    }

    /// [`Client::retry`] with another time.
    ///
    /// # Errors
    /// The last attempt's.
    pub(super) async fn retry_for<T>(
        &mut self,
        time: Duration,
        mut attempt: impl AsyncFnMut(&mut Client) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.deadline = Instant::now() + time;
        let mut pause = PAUSE_MIN;
        loop {
            let failure = match attempt(self).await {
                Ok(value) => {
                    self.told = false;
                    return Ok(value);
                }
                Err(failure) => failure,
            };
            if !failure.may_pass() || Instant::now() + pause >= self.deadline {
                return Err(failure);
            }
            if !std::mem::replace(&mut self.told, true) {
                say(&format!("{failure}; trying for {} (--timeout)", humantime::format_duration(time)));
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// One request to one node. A connection is kept for the next, unless something goes wrong on it; a future that is dropped
    /// takes its connection with it.
    ///
    /// # Errors
    /// Those of the connection.
    pub(super) async fn call<R: Request>(&mut self, node: Node, request: &R) -> Result<R::Response, Failure> {
        let mut connection = match self.connections.remove(&node) {
            Some(connection) => connection,
            None => self.connect(node).await?,
        };
        let answer = connection.call(request, self.deadline).await?;
        self.connections.insert(node, connection);
        Ok(answer)
    }

    async fn connect(&self, node: Node) -> Result<Connection, Failure> {
        if let Node::Id(id) = node {
            let address = self.addresses.get(&id);
            let address = address.ok_or_else(|| Failure::Wrong(format!("there is no broker {id}")))?;
            return Connection::open(address, self.deadline).await;
        }
        let mut failed = None;
        for address in &self.bootstrap {
            match Connection::open(address, self.deadline).await {
                Ok(connection) => return Ok(connection),
                Err(failure) => failed = Some(failure),
            }
        }
        Err(failed.unwrap_or_else(|| Failure::Wrong(String::from("no broker is named"))))
    }

    /// What the cluster says of topics; of all if none is named. Part of an attempt.
    ///
    /// # Errors
    /// Those of the request.
    pub(super) async fn metadata(&mut self, topics: Option<&[&str]>) -> Result<MetadataResponse, Failure> {
        let named = |topic: &&str| MetadataRequestTopic::default().with_name(Some(topic_name(topic)));
        let request = MetadataRequest::default()
            .with_topics(topics.map(|topics| topics.iter().map(named).collect()))
            .with_allow_auto_topic_creation(false);
        let answer = self.call(Node::Any, &request).await?;
        for broker in &answer.brokers {
            self.knows(broker.node_id.0, &broker.host, broker.port)?;
        }
        Ok(answer)
    }

    fn knows(&mut self, id: i32, host: &str, port: i32) -> Result<(), Failure> {
        let port = u16::try_from(port);
        let port = port.map_err(|_| Failure::Wrong(format!("broker {id} is said to be at port {port:?}")))?;
        let address = HostPort { host: host.to_string(), port };
        if self.addresses.insert(id, address.clone()).is_some_and(|before| before != address) {
            self.connections.remove(&Node::Id(id));
        }
        Ok(())
    }

    /// What the cluster says of one topic. Part of an attempt.
    ///
    /// # Errors
    /// The topic is not there, or one of its partitions has no leader.
    pub(super) async fn topic(&mut self, topic: &str) -> Result<MetadataResponseTopic, Failure> {
        let answer = self.metadata(Some(&[topic])).await?;
        let found = answer.topics.into_iter().next();
        let mut found = found.ok_or_else(|| Failure::Wrong(format!("nothing is said of topic {topic}")))?;
        check(&format!("topic {topic}"), found.error_code, None)?;
        found.partitions.sort_by_key(|partition| partition.partition_index);
        for partition in &found.partitions {
            check(&format!("{topic}-{}", partition.partition_index), partition.error_code, None)?;
        }
        Ok(found)
    }

    /// The partitions of a topic, by their leaders. Part of an attempt.
    ///
    /// # Errors
    /// Those of [`Client::topic`].
    pub(super) async fn leaders(&mut self, topic: &str) -> Result<BTreeMap<i32, Vec<i32>>, Failure> {
        let mut leaders: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
        for partition in self.topic(topic).await?.partitions {
            leaders.entry(partition.leader_id.0).or_default().push(partition.partition_index);
        }
        Ok(leaders)
    }

    /// The broker that keeps a group. Part of an attempt.
    ///
    /// # Errors
    /// Those of the request.
    pub(super) async fn coordinator(&mut self, group: &str) -> Result<Node, Failure> {
        let request = FindCoordinatorRequest::default().with_key(text(group));
        let answer = self.call(Node::Any, &request).await?;
        check(&format!("group {group}"), answer.error_code, answer.error_message.as_ref())?;
        self.knows(answer.node_id.0, &answer.host, answer.port)?;
        Ok(Node::Id(answer.node_id.0))
    }

    /// Where a node is.
    pub(super) fn address(&self, node: Node) -> Option<&HostPort> {
        match node {
            Node::Any => None,
            Node::Id(id) => self.addresses.get(&id),
        }
    }

    /// How long a broker may take over a request, in milliseconds.
    pub(super) fn timeout_ms(&self) -> i32 {
        i32::try_from(self.timeout.as_millis()).unwrap_or(i32::MAX)
    }
}

/// A line for the user, beside the output.
pub(super) fn say(line: &str) {
    // Nobody may be there to read it, which is no reason to stop.
    let _ = writeln!(stderr(), "evenkeel: {line}");
}

/// A text as the protocol has it.
pub(super) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_string())
}

/// A topic's name as the protocol has it.
pub(super) fn topic_name(name: &str) -> TopicName {
    TopicName(text(name))
}

/// A group's name as the protocol has it.
pub(super) fn group_id(name: &str) -> GroupId {
    GroupId(text(name))
}
