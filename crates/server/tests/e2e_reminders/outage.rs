//! A part is away around the moments of many reminders: before, while and after it is away. None is lost, none comes twice.

use std::path::Path;
use std::time::Duration;

use docket_domain::TimeDelta;
use docket_testkit::{Connection, Kafka, Mail, PATIENCE, Postgres, Shutdown, Stack};
use futures::future::join_all;

use crate::batch::{Batch, Often};
use crate::person::{Person, ahead};
use crate::world::stack;
use crate::{DOCKET, until};

/// How many reminders there are.
const REMINDERS: usize = 20;

/// How long everything is in order before and after the outage, while reminders come.
const CALM: Duration = Duration::from_secs(2);

/// What is away.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Away {
    App,
    Sidecar,
    Scheduler,
    Mail,
    Database,
    Broker,
}

/// A mail server; only one's own can be ended.
enum Server {
    Own(Box<Mail>),
    Shared(&'static Mail),
}

impl Server {
    async fn start(away: Away) -> Self {
        match away {
            Away::Mail => Self::Own(Box::new(Mail::start().await)),
            _ => Self::Shared(Mail::shared().await),
        }
    }

    fn get(&self) -> &Mail {
        match self {
            Self::Own(mail) => mail,
            Self::Shared(mail) => mail,
        }
    }

    fn own(&mut self) -> &mut Mail {
        match self {
            Self::Own(mail) => mail,
            Self::Shared(_) => panic!("others have mails there, too"),
        }
    }
}

/// A stack, and what is behind it; each part can be ended and started again.
struct Site {
    stack: Stack,
    mail: Server,
    postgres: Option<Postgres>,
    kafka: Option<Kafka>,
}

impl Site {
    /// With the pauses of production after failures, unless they are to be short.
    async fn start(away: Away, short: bool) -> Self {
        let postgres = async {
            match away {
                Away::Database | Away::Broker => Some(Postgres::start().await),
                _ => None,
            }
        };
        let kafka = async {
            match away {
                Away::Broker => Some(Kafka::start().await),
                _ => None,
            }
        };
        let (mail, postgres, kafka) = tokio::join!(Server::start(away), postgres, kafka);
        let long = || Stack::builder(Path::new(DOCKET)).mail(mail.get());
        let mut builder = if short { stack(mail.get()) } else { long() };
        if let Some(postgres) = &postgres {
            builder = builder.postgres(&postgres.database().await);
        }
        if let Some(kafka) = &kafka {
            builder = builder.kafka(kafka, Connection::Plain).await;
        }
        Self { stack: builder.start().await, mail, postgres, kafka }
    }

    async fn end(&mut self, away: Away) {
        match away {
            Away::App => self.stack.docket.kill(),
            Away::Sidecar => self.stack.daprd().kill(),
            Away::Scheduler => self.stack.scheduler().kill(),
            Away::Mail => self.mail.own().kill().await,
            Away::Database => self.postgres.as_mut().unwrap().stop(Shutdown::Immediate).await,
            Away::Broker => self.kafka.as_mut().unwrap().kill(),
        }
    }

    async fn start_again(&mut self, away: Away) {
        match away {
            Away::App => self.stack.docket.restart().await,
            Away::Sidecar => self.stack.daprd().restart().await,
            Away::Scheduler => self.stack.scheduler().restart().await,
            Away::Mail => self.mail.own().restart().await,
            Away::Database => self.postgres.as_mut().unwrap().start_again().await,
            Away::Broker => self.kafka.as_mut().unwrap().restart().await,
        }
    }
}

/// Ends a part for so long, while reminders come at even distances.
async fn survive(away: Away, outage: Duration) {
    let mut site = Site::start(away, outage < Duration::from_secs(10)).await;
    let person = Person::of(&site.stack, "peggy").await;
    let first = ahead(2_500);
    let batch = Batch::create(&person, REMINDERS, first, outage + 2 * CALM).await;
    let begin = first + TimeDelta::from_std(CALM).unwrap();
    until(begin).await;
    site.end(away).await;
    until(begin + TimeDelta::from_std(outage).unwrap()).await;
    site.start_again(away).await;

    // Whoever was sending, or was asked to send, may have been killed between the mail and the note that it went out.
    let often = match away {
        Away::App | Away::Sidecar | Away::Mail | Away::Database => Often::OncePerAttempt,
        Away::Scheduler | Away::Broker => Often::Once,
    };
    let what = format!("{away:?} away for {outage:?}");
    batch.expect_sent_once(&what, site.mail.get(), often, 3 * PATIENCE).await;
    site.stack.settled().await;
}

/// Each with everything of its own, at the same time: most of it is waiting. Database and broker are away where there are two
/// replicas.
#[tokio::test]
async fn five_seconds_without_app_sidecar_scheduler_or_mail_server() {
    let away = [Away::App, Away::Sidecar, Away::Scheduler, Away::Mail];
    join_all(away.map(|away| survive(away, Duration::from_secs(5)))).await;
}

macro_rules! for_longer {
    ($($name:ident: $away:ident),+ $(,)?) => {$(
        mod $name {
            use super::*;

            #[tokio::test]
            #[ignore = "release ring"]
            async fn twenty_seconds() {
                survive(Away::$away, Duration::from_secs(20)).await;
            }

            #[tokio::test]
            #[ignore = "release ring"]
            async fn sixty_seconds() {
                survive(Away::$away, Duration::from_secs(60)).await;
            }
        }
    )+};
}

for_longer!(
    without_app: App,
    without_sidecar: Sidecar,
    without_scheduler: Scheduler,
    without_mail_server: Mail,
    without_database: Database,
    without_broker: Broker,
);
