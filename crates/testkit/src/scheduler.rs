//! Dapr's scheduler, with its embedded etcd.

use std::ops::{Deref, DerefMut};

use crate::port::Port;
use crate::process::{Process, Program};
use crate::{http, tool};

/// Where it keeps its jobs, in its own folder.
const DATA: &str = "data";

/// A scheduler to be started.
#[derive(Debug)]
pub struct SchedulerBuilder {
    port: Port,
    health: Port,
    etcd: [Port; 2],
}

/// A scheduler.
#[derive(Debug)]
pub struct Scheduler {
    process: Process,
    port: u16,
    health: std::net::SocketAddr,
}

impl Scheduler {
    /// Reserves the ports.
    pub fn builder() -> SchedulerBuilder {
        SchedulerBuilder {
            port: Port::reserve(),
            health: Port::reserve(),
            etcd: [Port::reserve(), Port::reserve()],
        }
    }

    /// The port that sidecars connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Waits until it answers.
    pub async fn ready(&mut self) {
        let health = self.health;
        self.process.ready(async || http::get(health, "/healthz", &[]).await).await;
    }

    /// Kills it if it runs, and starts it again with what it had.
    pub async fn restart(&mut self) {
        self.kill();
        self.spawn();
        self.ready().await;
    }

    /// Kills it if it runs, and starts it again without any job that it had.
    pub async fn wipe(&mut self) {
        self.kill();
        let data = self.folder().join(DATA);
        std::fs::remove_dir_all(&data).unwrap_or_else(|error| panic!("{}: {error}", data.display()));
        self.spawn();
        self.ready().await;
    }
}

impl SchedulerBuilder {
    /// The port that sidecars connect to.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Starts it without waiting.
    pub fn spawn(self) -> Scheduler {
        let (port, health, [client, peer]) = (self.port.number(), self.health.address(), &self.etcd);
        let mut program = Program::new("scheduler", tool("TOOL_SCHEDULER"));
        program.arguments = [
            "--listen-address=127.0.0.1".to_owned(),
            format!("--port={port}"),
            format!("--override-broadcast-host-port=127.0.0.1:{port}"),
            "--healthz-listen-address=127.0.0.1".to_owned(),
            format!("--healthz-port={}", health.port()),
            "--enable-metrics=false".to_owned(),
            "--log-level=warn".to_owned(),
            format!("--etcd-data-dir={DATA}"),
            "--etcd-client-listen-address=127.0.0.1".to_owned(),
            format!("--etcd-client-port={}", client.number()),
            format!("--etcd-initial-cluster=dapr-scheduler-server-0=http://127.0.0.1:{}", peer.number()),
        ]
        .into();
        program.ports = [self.port, self.health].into_iter().chain(self.etcd).collect();
        let mut process = Process::new(program);
        process.spawn();
        Scheduler { process, port, health }
    }

    /// Starts it, and waits until it answers.
    pub async fn start(self) -> Scheduler {
        let mut scheduler = self.spawn();
        scheduler.ready().await;
        scheduler
    }
}

impl Deref for Scheduler {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for Scheduler {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}
