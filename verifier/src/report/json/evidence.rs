//! The evidence in JSON, written and read.

use std::time::SystemTime;

use super::{
    Access, Body, Deserialize, Dummy, Duration, End, ExtraProbe, Failure, FailureKind, Intent,
    LoggedRequest, Outcome, Probe, RequestRecord, Response, Same, Serialize, Source, UNPRINTABLE,
    percent_decode_str, percent_encode,
};
use sendfile_evidence::{CERT_DAYS, Certificate, Gunzipped};

#[derive(Serialize, Deserialize)]
pub(super) struct JsonIntent {
    header: Option<String>,
    value: Option<String>,
    expect: Vec<(String, String)>,
    private: bool,
    #[serde(default = "usual_days")]
    cert_days: u32,
}

fn usual_days() -> u32 {
    CERT_DAYS
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct JsonCertificate {
    /// Seconds since 1970.
    until: u64,
    days_left: i64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct JsonDummy {
    size: u64,
    sha256: String,
    source: JsonSource,
    nonce: Option<String>,
    instance: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    key: Option<String>,
    #[serde(default)]
    twin: bool,
    previous: Option<String>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum JsonSource {
    Contract,
    Storage,
    Direct,
    Visitor,
}

/// A request, and one of `response`, `body`, `failure` and `skipped`.
#[derive(Serialize, Deserialize)]
pub(super) struct JsonProbed {
    #[serde(flatten)]
    asked: JsonAsked,
    took_ms: f64,
    #[serde(flatten)]
    seen: JsonSeen,
}

#[derive(Serialize, Deserialize)]
struct JsonAsked {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    unix_socket: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    through: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    http: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum JsonSeen {
    Response(JsonResponse),
    Body(JsonBody),
    Failure { kind: JsonFailureKind, chain: String },
    Skipped(String),
}

#[derive(Serialize, Deserialize)]
struct JsonResponse {
    status: u16,
    headers: Vec<(String, String)>,
    body: JsonBody,
}

#[derive(Serialize, Deserialize)]
struct JsonBody {
    size: u64,
    sha256: String,
    head: String,
    end: JsonEnd,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    gunzipped: Option<(u64, String)>,
    #[serde(skip_serializing_if = "String::is_empty", default)]
    gunzipped_head: String,
    #[serde(default)]
    beyond: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    same: Option<JsonSame>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum JsonSame {
    Exactly(u64),
    AtLeast(u64),
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum JsonEnd {
    Whole,
    Cut,
    TooLong,
    TimedOut,
    NotAwaited,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum JsonFailureKind {
    NameNotResolved,
    Refused,
    TimedOut,
    Tls,
    Closed,
    NotHttp,
    Lengths,
    NotFound,
    BucketMissing,
    Denied,
    KeyRefused,
    WrongRegion,
    ClockSkewed,
    Other,
}

#[derive(Serialize, Deserialize)]
pub(super) struct JsonFurther {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    wants: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    journal: Option<Vec<JsonJournalled>>,
    #[serde(flatten)]
    probed: JsonProbed,
}

#[derive(Serialize, Deserialize)]
pub(super) struct JsonJournalled {
    method: String,
    target: String,
    answer: String,
}

/// Conversions in both directions between two enums with the same variants.
macro_rules! same_variants {
    ($json:ident, $domain:ident: $($variant:ident),+) => {
        impl $json {
            fn of(it: $domain) -> Self {
                match it { $($domain::$variant => Self::$variant),+ }
            }

            fn evidence(self) -> $domain {
                match self { $(Self::$variant => $domain::$variant),+ }
            }
        }
    };
}

same_variants!(JsonSource, Source: Contract, Storage, Direct, Visitor);
same_variants!(JsonEnd, End: Whole, Cut, TooLong, TimedOut, NotAwaited);
same_variants!(
    JsonFailureKind, FailureKind:
    NameNotResolved, Refused, TimedOut, Tls, Closed, NotHttp, Lengths, NotFound, BucketMissing, Denied,
    KeyRefused, WrongRegion, ClockSkewed, Other
);

impl JsonIntent {
    pub(super) fn of(it: &Intent) -> Self {
        let Intent { header, value, expect, access, cert_days } = it.clone();
        Self { header, value, expect, private: access == Access::Private, cert_days }
    }

    pub(super) fn evidence(self) -> Intent {
        let access = if self.private { Access::Private } else { Access::Unsaid };
        let Self { header, value, expect, cert_days, .. } = self;
        Intent { header, value, expect, access, cert_days }
    }
}

impl JsonCertificate {
    pub(super) fn of(it: &Certificate) -> Self {
        let until = it.until.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { until: until.as_secs(), days_left: it.days_left }
    }

    pub(super) fn evidence(self) -> Result<Certificate, String> {
        let until = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(self.until));
        let until = until.ok_or_else(|| format!("`until`: {} is out of range", self.until))?;
        Ok(Certificate { until, days_left: self.days_left })
    }
}

impl JsonDummy {
    pub(super) fn of(it: &Dummy) -> Self {
        Self {
            size: it.size,
            sha256: it.sha256.to_string(),
            source: JsonSource::of(it.source),
            nonce: it.nonce.clone(),
            instance: it.instance.clone(),
            key: it.key.clone(),
            twin: it.decoy,
            previous: it.previous.map(|it| it.to_string()),
        }
    }

    pub(super) fn evidence(self) -> Result<Dummy, String> {
        Ok(Dummy {
            size: self.size,
            sha256: self.sha256.parse()?,
            source: self.source.evidence(),
            nonce: self.nonce,
            instance: self.instance,
            key: self.key,
            decoy: self.twin,
            previous: self.previous.as_deref().map(str::parse).transpose()?,
        })
    }
}

impl JsonProbed {
    pub(super) fn of_response(it: &Probe<Response>) -> Self {
        Self::of(it, |response| {
            let Response { status, headers, body } = response;
            JsonSeen::Response(JsonResponse {
                status: *status,
                headers: headers.clone(),
                body: JsonBody::of(body),
            })
        })
    }

    pub(super) fn of_body(it: &Probe<Body>) -> Self {
        Self::of(it, |body| JsonSeen::Body(JsonBody::of(body)))
    }

    fn of<T>(it: &Probe<T>, answer: impl FnOnce(&T) -> JsonSeen) -> Self {
        let seen = match &it.outcome {
            Outcome::Response(it) => answer(it),
            Outcome::Failed(it) => {
                JsonSeen::Failure { kind: JsonFailureKind::of(it.kind), chain: it.chain.clone() }
            }
            Outcome::Skipped(reason) => JsonSeen::Skipped(reason.clone()),
        };
        let RequestRecord { method, url, headers, unix_socket, through, http } = it.request.clone();
        let took_ms = (it.took.as_secs_f64() * 1e6).round() / 1e3;
        Self {
            asked: JsonAsked { method, url, headers, unix_socket, through, http },
            took_ms,
            seen,
        }
    }

    pub(super) fn response(self) -> Result<Probe<Response>, String> {
        self.read(|seen| match seen {
            JsonSeen::Response(JsonResponse { status, headers, body }) => {
                Ok(Response { status, headers, body: body.evidence()? })
            }
            _ => Err("expected a response, found a body".to_owned()),
        })
    }

    pub(super) fn body(self) -> Result<Probe<Body>, String> {
        self.read(|seen| match seen {
            JsonSeen::Body(body) => body.evidence(),
            _ => Err("expected a body, found a response".to_owned()),
        })
    }

    fn read<T>(
        self,
        answer: impl FnOnce(JsonSeen) -> Result<T, String>,
    ) -> Result<Probe<T>, String> {
        let JsonAsked { method, url, headers, unix_socket, through, http } = self.asked;
        let seen = match self.seen {
            JsonSeen::Failure { kind, chain } => {
                Outcome::Failed(Failure { kind: kind.evidence(), chain })
            }
            JsonSeen::Skipped(reason) => Outcome::Skipped(reason),
            seen => Outcome::Response(answer(seen)?),
        };
        let took =
            Duration::try_from_secs_f64(self.took_ms / 1e3).map_err(|error| error.to_string())?;
        Ok(Probe {
            request: RequestRecord { method, url, headers, unix_socket, through, http },
            outcome: seen,
            took,
        })
    }
}

impl JsonBody {
    fn of(it: &Body) -> Self {
        Self {
            size: it.size,
            sha256: it.sha256.to_string(),
            head: percent_encode(&it.head, UNPRINTABLE).to_string(),
            end: JsonEnd::of(it.end.clone()),
            gunzipped: it.gunzipped.as_ref().map(|it| (it.size, it.sha256.to_string())),
            gunzipped_head: it
                .gunzipped
                .as_ref()
                .map_or_else(String::new, |it| percent_encode(&it.head, UNPRINTABLE).to_string()),
            beyond: it.beyond,
            same: it.same.map(|it| match it {
                Same::Exactly(n) => JsonSame::Exactly(n),
                Same::AtLeast(n) => JsonSame::AtLeast(n),
            }),
        }
    }

    fn evidence(self) -> Result<Body, String> {
        let gunzipped = self.gunzipped.map(|(size, sha256)| {
            let head = percent_decode_str(&self.gunzipped_head).collect();
            Ok::<_, String>(Gunzipped { size, sha256: sha256.parse()?, head })
        });
        Ok(Body {
            size: self.size,
            sha256: self.sha256.parse()?,
            head: percent_decode_str(&self.head).collect(),
            end: self.end.evidence(),
            gunzipped: gunzipped.transpose()?,
            beyond: self.beyond,
            same: self.same.map(|it| match it {
                JsonSame::Exactly(n) => Same::Exactly(n),
                JsonSame::AtLeast(n) => Same::AtLeast(n),
            }),
        })
    }
}

impl JsonFurther {
    pub(super) fn of(it: &ExtraProbe) -> Self {
        let wants = it.wants.map(|it| it.to_string());
        let journal = it.request_log.as_ref().map(|it| it.iter().map(JsonJournalled::of).collect());
        let probed = JsonProbed::of_response(&it.probed);
        Self { id: it.id.to_string(), wants, journal, probed }
    }

    pub(super) fn evidence(self) -> Result<ExtraProbe, String> {
        let wants = self.wants.as_deref().map(str::parse).transpose()?;
        let journal = self.journal.map(|it| it.into_iter().map(JsonJournalled::evidence).collect());
        Ok(ExtraProbe {
            id: self.id.parse()?,
            probed: self.probed.response()?,
            wants,
            request_log: journal,
        })
    }
}

impl JsonJournalled {
    pub(super) fn of(it: &LoggedRequest) -> Self {
        Self { method: it.method.clone(), target: it.target.clone(), answer: it.answer.clone() }
    }

    pub(super) fn evidence(self) -> LoggedRequest {
        LoggedRequest { method: self.method, target: self.target, answer: self.answer }
    }
}
