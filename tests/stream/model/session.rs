//! The side of a server of one connection: the protocol as clients speak it, read strictly.

use mailoop::stream::network::StreamPeer;

use super::cluster::{Cluster, Node, Published};

/// The side of a server.
pub struct Session {
    pub number: u64,
    pub node: usize,
    pub peer: StreamPeer,
    pub is_logged_in: bool,
    pub is_over: bool,
    /// What was read of a request to a monitor.
    pub request: Vec<u8>,
    has_greeted: bool,
    input: Vec<u8>,
}

impl Session {
    pub fn new(number: u64, node: usize, peer: StreamPeer) -> Self {
        Self {
            number,
            node,
            peer,
            is_logged_in: false,
            is_over: false,
            request: Vec::new(),
            has_greeted: false,
            input: Vec::new(),
        }
    }

    /// Says INFO, once.
    pub fn greet(&mut self, cluster: &Cluster, said: &mut Vec<Vec<u8>>) {
        if !self.has_greeted {
            self.has_greeted = true;
            said.push(cluster.info(self.node));
        }
    }

    /// Acts upon what a client says.
    ///
    /// # Panics
    /// If that is not what a client may say.
    pub fn take(&mut self, octets: &[u8], cluster: &mut Cluster, said: &mut Vec<Vec<u8>>) {
        self.input.extend_from_slice(octets);
        while !self.is_over
            && let Some(used) = self.take_one(cluster, said)
        {
            self.input.drain(..used);
        }
    }

    fn take_one(&mut self, cluster: &mut Cluster, said: &mut Vec<Vec<u8>>) -> Option<usize> {
        let end = self.input.windows(2).position(|pair| pair == b"\r\n")?;
        let line = String::from_utf8(self.input[..end].to_vec()).expect("a line is text");
        let after = end + 2;
        let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
        let fields: Vec<&str> = rest.split(' ').collect();
        match verb {
            "PING" => said.push(b"PONG\r\n".to_vec()),
            "PONG" => {}
            "CONNECT" => {
                assert!(rest.starts_with('{') && rest.ends_with('}'), "{rest}");
                self.is_logged_in = true;
                if cluster.nodes[self.node].refuses {
                    said.push(b"-ERR 'Authorization Violation'\r\n".to_vec());
                    self.is_over = true;
                }
                said.push(cluster.info(self.node));
            }
            "SUB" => {
                let [subject, number] = fields[..] else {
                    panic!("{line}");
                };
                let subscription = (self.number, number.to_owned(), subject.to_owned());
                cluster.subscriptions.push(subscription);
            }
            "PUB" | "HPUB" => {
                return self.take_publish(verb == "HPUB", &fields, after, cluster, said);
            }
            _ => panic!("no client says {line:?}"),
        }
        Some(after)
    }

    fn take_publish(
        &mut self,
        has_headers: bool,
        fields: &[&str],
        start: usize,
        cluster: &mut Cluster,
        said: &mut Vec<Vec<u8>>,
    ) -> Option<usize> {
        assert!(self.is_logged_in, "a login comes first");
        let number = |at: usize| fields[at].parse::<usize>().expect("a number");
        let last = fields.len() - 1;
        let fixed = 2 + usize::from(has_headers);
        assert!((fixed..=fixed + 1).contains(&fields.len()), "{fields:?}");
        let reply = (fields.len() > fixed).then(|| fields[1]);
        let bytes = number(last);
        if bytes > cluster.nodes[self.node].payload_bytes_max {
            said.push(b"-ERR 'Maximum Payload Violation'\r\n".to_vec());
            self.is_over = true;
            return None;
        }
        let all = self.input.get(start..start + bytes + 2)?;
        assert!(all.ends_with(b"\r\n"), "a message ends where it says");
        let header_bytes = if has_headers { number(last - 1) } else { 0 };
        let (headers, payload) = all[..bytes].split_at(header_bytes);
        let headers = if has_headers {
            read_headers(headers)
        } else {
            Vec::new()
        };
        if !cluster.nodes[self.node].is_cut_off {
            cluster.publish(&Published {
                subject: fields[0],
                reply,
                headers,
                payload,
            });
        }
        Some(start + bytes + 2)
    }
}

fn read_headers(octets: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8(octets.to_vec()).expect("headers are text");
    let fields = text.strip_prefix("NATS/1.0\r\n").expect("a version");
    let fields = fields.strip_suffix("\r\n").expect("an end");
    let lines = fields.split_terminator("\r\n");
    lines
        .map(|line| {
            let (name, value) = line.split_once(": ").expect("a field");
            (name.to_owned(), value.to_owned())
        })
        .collect()
}

/// The answer of the monitor of a node.
pub fn monitor_answer(node: &Node) -> Vec<u8> {
    let body = format!(
        "{{\"server_name\":\"{}\",\"max_payload\":{},\"jetstream\":{{\"config\":{{\"sync_always\":{}}}}}}}",
        node.name, node.payload_bytes_max, node.syncs_always
    );
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    )
    .into_bytes()
}
