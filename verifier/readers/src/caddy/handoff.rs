//! How Caddy handles the app's hand-off: `handle_response` in a reverse_proxy, or `intercept`
//! around it.

use sendfile_evidence::fact::{Fact, FactKind, FileState, Misconfiguration, SourceLine};

use super::{
    super::{
        directive::Directive,
        opened::{Opened, PathRule, mapped, seen},
        uri::decoded,
    },
    matcher::text_matches,
    placeholder::header_of_answer,
    upstream::upstreams,
    walk::{End, Walk},
};
use crate::{
    disk::{Look, Worker},
    question::Query,
    reader::{HeaderFate, RouteAnalysis},
};

/// Records how the header is handled, and what it leads to.
pub(super) fn treat<'a>(
    question: &'a Query,
    proxy: &'a Directive,
    mut walk: Walk<'a>,
    worker: &Worker,
    treatment: &mut RouteAnalysis,
) {
    let Some(header) = question.header.as_deref() else { return };
    let around = walk.blocks.clone();
    let intercepts = around.iter().flat_map(|it| it.iter()).filter(|it| it.name == "intercept");
    let response =
        [proxy].into_iter().chain(intercepts).find_map(|it| handler(it, header, question));
    let Some(response) = response else {
        let (fact, fate) = off(proxy, header, question);
        treatment.fate = fate;
        treatment.header.push(fact);
        return;
    };
    treatment.fate = HeaderFate::Obeyed;
    treatment.header.push(Fact::at(
        FactKind::HeaderObeyed,
        response.place(),
        format!("acts on {header}"),
    ));
    walk.answer = Some(&question.answer);
    walk.rewrites.clear();
    let end = walk.through(response.inside());
    treatment.unsure |= walk.unsure.is_some();
    let target = Target { question, header, response, worker, walk: &walk };
    treatment.target = match passed_by(proxy, response, header) {
        Some(passed_by) => vec![passed_by],
        None => target.facts(end),
    };
    treatment.target.extend(copied(response));
}

/// The `handle_response` that matches a response with the header.
fn handler<'a>(proxy: &'a Directive, header: &str, question: &Query) -> Option<&'a Directive> {
    proxy.children("handle_response").find(|it| match it.arg(0) {
        "" => true,
        name => proxy
            .inside()
            .iter()
            .find(|it| it.name == name)
            .is_some_and(|it| takes(it, header, question)),
    })
}

/// A `handle_response` before the one that matches the response, for the same header with another
/// value: it was surely intended.
fn passed_by(proxy: &Directive, taken: &Directive, header: &str) -> Option<Fact> {
    let before = proxy.children("handle_response").take_while(|it| !std::ptr::eq(*it, taken));
    let meant = before.into_iter().find_map(|it| {
        let defined = proxy.inside().iter().find(|defined| defined.name == it.arg(0))?;
        let names = [&defined.args[..], defined.child("header").map_or(&[], |it| &it.args[..])];
        let has = |it: &String| it.eq_ignore_ascii_case(header);
        names.concat().iter().any(has).then_some(defined)
    })?;
    let at = meant.place();
    let detail = format!("does not match the hand-off value; `{}` does", taken.place().text);
    let fix =
        format!("In {}, change `{}` to match the prefix that the app sends", at.line(), at.text);
    Some(Fact::at(FactKind::TargetFallsThrough, at, detail).mended_by(fix))
}

/// Whether a response matcher matches a response with the header.
fn takes(defined: &Directive, header: &str, question: &Query) -> bool {
    let one = |name: &str, args: &[String]| match name {
        "header" => {
            let value = args.get(1).map_or("*", String::as_str);
            let names = args.first().is_some_and(|it| it.eq_ignore_ascii_case(header));
            names && question.value.as_deref().is_none_or(|it| text_matches(value, it))
        }
        "status" => {
            args.iter().any(|it| it == "200" || it.eq_ignore_ascii_case("2xx") || it == "2")
        }
        _ => true,
    };
    match &defined.block {
        Some(block) => {
            let named = block.iter().any(|it| it.name == "header" || it.name == "status");
            named && block.iter().all(|it| one(&it.name, &it.args))
        }
        None => one(defined.arg(0), defined.args.get(1..).unwrap_or_default()),
    }
}

fn off(proxy: &Directive, header: &str, question: &Query) -> (Fact, HeaderFate) {
    let at = proxy.place();
    let other = proxy.children("handle_response").next();
    let detail = match other {
        Some(other) => {
            let there = other.place();
            format!(
                "contains `{}` ({}), which does not match responses with {header}",
                there.text,
                there.line()
            )
        }
        None => format!("no `handle_response` for {header}"),
    };
    let file = question.file.as_deref().zip(question.value.as_deref());
    let below = file.and_then(|(file, value)| file.strip_suffix(value));
    let root = match header.eq_ignore_ascii_case("X-Sendfile") {
        true => "/",
        false => below.unwrap_or("/DIRECTORY"),
    };
    let fix = format!(
        "In {}, write `{} {{ @handoff header {header} *; handle_response @handoff {{ root * \
         {root}; rewrite * {{rp.header.{header}}}; file_server }} }}`, with each part on its own \
         line",
        at.line(),
        at.text
    );
    let stripped = proxy
        .children("header_down")
        .any(|it| it.arg(0).strip_prefix('-').is_some_and(|it| it.eq_ignore_ascii_case(header)));
    (Fact::at(FactKind::FeatureOff, at, detail).mended_by(fix), HeaderFate::of(stripped))
}

/// Whether the app's headers reach the client.
fn copied(response: &Directive) -> Option<Fact> {
    let at = response.place();
    let copy = response.child("copy_response_headers");
    let wanted = ["Content-Disposition", "Content-Type", "Cache-Control"];
    let included: Vec<&str> = copy
        .into_iter()
        .flat_map(|it| it.children("include"))
        .flat_map(|it| it.args.iter().map(String::as_str))
        .collect();
    let missing: Vec<&str> = match (copy, included.is_empty()) {
        (None, _) => wanted.to_vec(),
        (Some(_), true) => return None,
        (Some(_), false) => {
            let lacks = |it: &&str| !included.iter().any(|name| name.eq_ignore_ascii_case(it));
            wanted.into_iter().filter(lacks).collect()
        }
    };
    if missing.is_empty() {
        return None;
    }
    let detail = format!("does not copy {} from the app's response", missing.join(", "));
    let fix = format!(
        "In `{}` ({}), write `copy_response_headers {{ include {} }}`",
        at.text,
        at.line(),
        [&included[..], &missing[..]].concat().join(" ")
    );
    Some(Fact::at(FactKind::HeadersDropped, at, detail).mended_by(fix))
}

struct Target<'t, 'a> {
    question: &'a Query,
    header: &'a str,
    response: &'a Directive,
    worker: &'t Worker,
    walk: &'t Walk<'a>,
}

impl Target<'_, '_> {
    fn facts(&self, end: Option<End<'_>>) -> Vec<Fact> {
        if let Some(not_read) = self.not_read() {
            return vec![not_read];
        }
        let mut facts = Vec::new();
        match end {
            Some(End::Opens(path, at)) => facts.push(self.opens(&path, at)),
            Some(End::Asks(store)) => {
                let detail = match upstreams(store).first() {
                    Some((address, _)) => {
                        format!("the hand-off requests {} from {address}", self.walk.subject.path)
                    }
                    None => "the hand-off leads to a store".to_owned(),
                };
                facts.push(Fact::at(FactKind::TargetAsksStore, store.place(), detail));
                facts.extend(self.authorization(store));
            }
            Some(End::Answers(said, at)) => {
                let detail = format!("responds to the hand-off with {said}");
                facts.push(Fact::at(FactKind::TargetRefused, at, detail));
            }
            Some(End::Redirects(to, at)) => {
                facts.push(Fact::at(
                    FactKind::TargetRefused,
                    at,
                    format!("redirects the hand-off to {to}"),
                ));
            }
            Some(End::Login(at)) => {
                facts.push(Fact::at(
                    FactKind::TargetRefused,
                    at,
                    "requires a login after the hand-off",
                ));
            }
            None => {
                let at = self.response.place();
                let detail = "matches the hand-off but does not serve a file";
                facts.push(Fact::at(FactKind::TargetRefused, at, detail));
            }
        }
        facts
    }

    /// The path is not built from the header.
    fn not_read(&self) -> Option<Fact> {
        let reads = |it: &&&Directive| {
            let words = it.args.iter().flat_map(|it| it.split('{').skip(1));
            let mut names = words.filter_map(|it| it.split('}').next());
            names.any(|it| {
                header_of_answer(it).is_some_and(|it| it.eq_ignore_ascii_case(self.header))
            })
        };
        let rewrites = &self.walk.rewrites;
        if rewrites.iter().any(|it| reads(&it)) {
            return None;
        }
        let right = format!("rewrite * {{rp.header.{}}}", self.header);
        Some(match rewrites.last() {
            Some(by) => {
                let at = by.place();
                let fix = format!("In {}, replace `{}` with `{right}`", at.line(), at.text);
                let detail = format!("does not use {}, which the app sends", self.header);
                Fact::at(FactKind::ValueNotRead, at, detail).mended_by(fix)
            }
            None => {
                let at = self.response.place();
                let fix = format!("In `{}` ({}), add `{right}`", at.text, at.line());
                let detail = format!("no `rewrite` to the value of {}", self.header);
                Fact::at(FactKind::ValueNotRead, at, detail).mended_by(fix)
            }
        })
    }

    fn opens(&self, path: &str, at: SourceLine) -> Fact {
        let (disk, file) = (self.walk.disk, self.question.file.as_deref());
        let (folder, uri) = (
            self.walk.root.as_ref().map_or("", |(root, _)| root.as_str()),
            self.walk.subject.path.clone(),
        );
        let opened = Opened {
            path: path.to_owned(),
            folder: folder.to_owned(),
            uri,
            by: PathRule::Root,
            ..Opened::default()
        };
        // Caddy 2.6 uses the value unchanged, later versions decode it.
        let either = disk.look(path) == Look::Missing && decoded(path) != path;
        let (state, detail, fix) = seen(path, disk, self.worker);
        let wrong = match either && opened_decoded(&opened).wrong(file, disk).is_none() {
            true => None,
            false => opened.wrong(file, disk),
        };
        let state = if either { FileState::Unknown } else { state };
        let fix = fix.or_else(|| self.mended(&opened, &at, wrong?));
        let says = FactKind::TargetOpens { path: path.to_owned(), state, wrong };
        let meant = match (wrong, file) {
            (Some(_), Some(file)) => format!("; expected {file}"),
            _ => String::new(),
        };
        Fact { fix, ..Fact::at(says, at, format!("the hand-off opens {detail}{meant}")) }
    }

    fn mended(&self, opened: &Opened, at: &SourceLine, wrong: Misconfiguration) -> Option<String> {
        let file = self.question.file.as_deref()?;
        let (prefix, folder) = mapped(&opened.uri, file).unwrap_or_default();
        match wrong {
            Misconfiguration::Root if !prefix.is_empty() => Some(format!(
                "Near {}, after the rewrite, add `uri strip_prefix {}`",
                at.line(),
                prefix.trim_end_matches('/')
            )),
            _ => {
                let root = opened.right_root(file).or((!folder.is_empty()).then_some(folder))?;
                let root = root.trim_end_matches('/');
                Some(format!("In {}, replace `{}` with `root * {root}`", at.line(), at.text))
            }
        }
    }

    fn authorization(&self, store: &Directive) -> Option<Fact> {
        self.question.site.header("authorization")?;
        let drops = |it: &&Directive| {
            it.arg(0).eq_ignore_ascii_case("-Authorization")
                || it.arg(0).eq_ignore_ascii_case("Authorization")
        };
        if store.children("header_up").any(|it| drops(&it)) {
            return None;
        }
        let at = store.place();
        let fix = format!("In `{}` ({}), add `header_up -Authorization`", at.text, at.line());
        let detail = "forwards the client's Authorization header to the store";
        Some(Fact::at(FactKind::AuthorizationForwarded, at, detail).mended_by(fix))
    }
}

fn opened_decoded(opened: &Opened) -> Opened {
    Opened { path: decoded(&opened.path), uri: decoded(&opened.uri), ..opened.clone() }
}
