//! The checkers of a real server.

use super::{Translator, Words, value};
use crate::document::{Item, Source, Table, inline, quote};
use crate::keywords;
use crate::note::Kind;
use crate::tree::Statement;

/// Statements that a virtual server says for its real servers, and those for their checkers.
const INHERITED: [&str; 7] = [
    "delay_loop",
    "connect_timeout",
    "retry",
    "nb_get_retry",
    "delay_before_retry",
    "alpha",
    "warmup",
];

/// The keywords of a checker that are translated.
const TRANSLATED: &[&str] = &[
    "delay_loop",
    "connect_timeout",
    "retry",
    "nb_get_retry",
    "delay_before_retry",
    "alpha",
    "warmup",
    "connect_ip",
    "connect_port",
    "virtualhost",
    "url",
    "helo_name",
    "name",
    "type",
    "payload",
    "require_reply",
    "min_reply_length",
];

/// What holds for the checkers inside.
#[derive(Debug, Clone, Default)]
pub(super) struct Inherited(Vec<Statement>);

impl Inherited {
    /// What was taken.
    pub(super) fn statements(&self) -> &[Statement] {
        &self.0
    }

    /// Takes a statement that is for the checkers. Whether it is one.
    pub(super) fn take(&mut self, statement: &Statement) -> bool {
        let of_checkers =
            INHERITED.contains(&statement.keyword()) || statement.keyword() == "virtualhost";
        if of_checkers {
            self.0
                .retain(|other| other.keyword() != statement.keyword());
            // Its comments are where it stands.
            self.0.push(Statement {
                lead: Vec::new(),
                trail: Vec::new(),
                ..statement.clone()
            });
        }
        of_checkers
    }
}

/// Whether a pattern has what only PCRE knows: look-around, back-references and the like.
fn needs_pcre(pattern: &str) -> bool {
    let groups = [
        "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?|", "(*", "\\K", "\\G", "\\R", "\\X",
    ];
    let refers = |digit: char| pattern.contains(&format!("\\{digit}"));
    groups.iter().any(|it| pattern.contains(it)) || ('1'..='9').any(refers)
}

/// Records that the plugin `dns` asks for.
const RECORDS: [&str; 9] = ["SOA", "A", "AAAA", "NS", "MX", "TXT", "CNAME", "PTR", "SRV"];

/// What a setting is.
enum Value {
    Text(String),
    Number(u32),
}

fn quoted(value: &Value) -> String {
    match value {
        Value::Text(text) => quote(text),
        Value::Number(number) => number.to_string(),
    }
}

/// Bytes as keepalived has them: hexadecimal digits, with blanks between them.
fn hexadecimal(statement: &Statement) -> String {
    let words = statement.arguments().iter().map(|word| word.text.as_str());
    words.collect::<Vec<_>>().join(" ")
}

/// A request of an HTTP check.
struct Url {
    path: String,
    status: Vec<String>,
    host: Option<String>,
    contains: Option<String>,
    /// A pattern, and whether the body must not match it.
    regex: Option<(String, bool)>,
    md5: Option<String>,
    from: Statement,
}

impl Translator<'_> {
    /// A statement of a virtual or real server that is for its checkers. Whether it is one.
    pub(super) fn inherit(
        &mut self,
        statement: &Statement,
        inherited: &mut Inherited,
        table: &mut Table,
    ) -> bool {
        let taken = inherited.take(statement);
        if taken {
            table.remarks(&statement.lead);
            table.remarks(&statement.trail);
            if statement.keyword() != "alpha" {
                self.argument(statement, table);
            }
        }
        taken
    }

    /// The check that a checker becomes: none if there is no plugin for it.
    pub(super) fn check(
        &mut self,
        checker: &Statement,
        inherited: &Inherited,
        around: &mut Table,
    ) -> Option<Table> {
        let keyword = checker.keyword();
        let plugin = match keyword {
            "TCP_CHECK" => "tcp",
            "HTTP_GET" | "SSL_GET" => "http",
            "SMTP_CHECK" => "smtp",
            "DNS_CHECK" => "dns",
            "UDP_CHECK" => "udp",
            "PING_CHECK" => "ping",
            "MISC_CHECK" | "FILE_CHECK" => return self.local_check(checker, inherited, around),
            _ => {
                let why = keywords::why(keywords::REAL, keyword)
                    .unwrap_or("no plugin for it is shipped yet");
                self.leave(checker, around, why);
                return None;
            }
        };
        let mut table = Table::new("", Source::statement(checker));
        table.set("plugin", quote(plugin), Source::place(checker.place()));
        let mut urls = Vec::new();
        let mut settings = Vec::new();
        let mut host = inherited
            .0
            .iter()
            .rfind(|s| s.keyword() == "virtualhost")
            .and_then(|s| s.word(1))
            .map(str::to_owned);
        self.body(
            checker,
            &mut table,
            keywords::CHECKER,
            TRANSLATED,
            |this, inner, table| {
                match inner.keyword() {
                    "connect_ip" => this.text(table, "address", inner),
                    "connect_port" => this.whole(table, "port", inner),
                    "virtualhost" if plugin == "http" => {
                        host = this.argument(inner, table).map(str::to_owned);
                        table.remarks(&inner.lead);
                        table.remarks(&inner.trail);
                    }
                    "url" if plugin == "http" => urls.push(this.url(inner, table)),
                    _ if this.setting(plugin, inner, table, &mut settings) => {
                        table.remarks(&inner.lead);
                        table.remarks(&inner.trail);
                    }
                    _ => return this.timing(inner, table),
                }
                true
            },
        );
        for statement in &inherited.0 {
            let key = key_of(statement.keyword());
            if key.is_some_and(|key| !table.has(key)) {
                self.timing(statement, &mut table);
            }
        }
        table.otherwise("interval", "\"1m\"".to_owned());
        table.otherwise("timeout", "\"5s\"".to_owned());
        let retries = if plugin == "dns" { "3" } else { "1" };
        table.otherwise("retries", retries.to_owned());
        let interval = table.get("interval").unwrap_or("\"1m\"").to_owned();
        let retry_delay = match plugin {
            "http" => "\"3s\"",
            "dns" => &interval,
            _ => "\"1s\"",
        };
        table.otherwise("retry_delay", retry_delay.to_owned());
        table.otherwise("alpha", "false".to_owned());
        if plugin != "http" {
            self.with_settings(checker, plugin, &settings, &mut table);
            return Some(table);
        }
        if urls.is_empty() {
            self.changed(checker, "it has no url: / is asked for");
            urls.push(Url {
                path: "/".to_owned(),
                status: Vec::new(),
                host: None,
                contains: None,
                regex: None,
                md5: None,
                from: checker.clone(),
            });
        }
        requests(&mut table, &urls, host.as_deref(), keyword == "SSL_GET");
        Some(table)
    }

    /// Writes what a checker looks at.
    fn with_settings(
        &mut self,
        checker: &Statement,
        plugin: &str,
        settings: &[(&'static str, Value)],
        table: &mut Table,
    ) {
        let replies = settings.iter().any(|(key, _)| *key == "require");
        if plugin == "udp" && !replies {
            self.changed(
                checker,
                "its machine must answer an ICMP echo request as well, since one that is off refuses nothing; settings = { ping = false } leaves that out",
            );
        }
        if !settings.is_empty() {
            let settings: Vec<_> = settings
                .iter()
                .map(|(key, value)| (*key, quoted(value)))
                .collect();
            let from = Source::place(checker.place());
            table.set("settings", inline(&settings), from);
        }
    }

    /// What a checker looks at. Whether it is a statement of that.
    fn setting(
        &mut self,
        plugin: &str,
        statement: &Statement,
        table: &mut Table,
        settings: &mut Vec<(&'static str, Value)>,
    ) -> bool {
        let text =
            |it: &mut Self, table: &mut Table| it.argument(statement, table).map(str::to_owned);
        match (plugin, statement.keyword()) {
            ("smtp", "helo_name") => {
                settings.extend(text(self, table).map(|it| ("helo", Value::Text(it))));
            }
            ("dns", "name") => {
                settings.extend(text(self, table).map(|it| ("name", Value::Text(it))));
            }
            ("dns", "type") => {
                let Some(record) = text(self, table) else {
                    return true;
                };
                let record = record.to_uppercase();
                if RECORDS.contains(&record.as_str()) {
                    settings.push(("record", Value::Text(record)));
                } else {
                    self.leave(
                        statement,
                        table,
                        "the plugin dns does not ask for records of that type",
                    );
                }
            }
            ("udp", "payload") => {
                let bytes = hexadecimal(statement);
                settings.push(("payload-hex", Value::Text(bytes)));
            }
            ("udp", "require_reply") => {
                settings.push(("require", Value::Text("reply".to_owned())));
                let bytes = hexadecimal(statement);
                if !bytes.is_empty() {
                    settings.push(("expect-hex", Value::Text(bytes)));
                }
            }
            ("udp", "min_reply_length") => {
                let length = text(self, table).and_then(|it| it.parse().ok());
                settings.extend(length.map(|it| ("min-length", Value::Number(it))));
            }
            _ => return false,
        }
        true
    }

    /// When a check is made. Whether it is a statement of that.
    pub(super) fn timing(&mut self, statement: &Statement, table: &mut Table) -> bool {
        let Some(key) = key_of(statement.keyword()) else {
            return false;
        };
        match key {
            "retries" => self.whole(table, key, statement),
            "alpha" => {
                let on = self.switch(statement, table);
                self.set(table, key, on.to_string(), statement);
            }
            "retry_delay"
                if statement
                    .word(1)
                    .and_then(value::seconds)
                    .is_some_and(|d| d.is_zero()) =>
            {
                self.no_more(statement, 2, table);
                self.set(table, key, "\"1ms\"".to_owned(), statement);
            }
            key => self.seconds(table, key, statement),
        }
        true
    }

    fn url(&mut self, block: &Statement, table: &mut Table) -> Url {
        const TRANSLATED: &[&str] = &[
            "path",
            "status_code",
            "virtualhost",
            "digest",
            "regex",
            "regex_no_match",
        ];
        const WORDS: Words = keywords::URL;
        let mut url = Url {
            path: "/".to_owned(),
            status: Vec::new(),
            host: None,
            contains: None,
            regex: None,
            md5: None,
            from: block.clone(),
        };
        let negated = block
            .statements()
            .iter()
            .any(|inner| inner.keyword() == "regex_no_match");
        table.remarks(&block.lead);
        table.remarks(&block.trail);
        self.body(block, table, WORDS, TRANSLATED, |this, inner, table| {
            match inner.keyword() {
                "path" => {
                    url.path = this.argument(inner, table).unwrap_or("/").to_owned();
                }
                "virtualhost" => url.host = this.argument(inner, table).map(str::to_owned),
                "status_code" => {
                    url.status = inner
                        .arguments()
                        .iter()
                        .map(|word| word.text.clone())
                        .collect();
                }
                "regex" => {
                    let text = this.argument(inner, table).unwrap_or_default();
                    let plain = |c: char| c.is_alphanumeric() || " _-/<>=:,;@%&'".contains(c);
                    if text.is_empty() || needs_pcre(text) {
                        let why =
                            "patterns of the plugin http have neither look-around nor back-references";
                        this.leave(inner, table, why);
                        return true;
                    }
                    if negated || !text.chars().all(plain) {
                        url.regex = Some((text.to_owned(), negated));
                    } else {
                        url.contains = Some(text.to_owned());
                    }
                }
                "regex_no_match" => this.no_more(inner, 1, table),
                "digest" => {
                    let digits = this.argument(inner, table).unwrap_or_default();
                    if digits.len() != 32 || !digits.chars().all(|it| it.is_ascii_hexdigit()) {
                        this.leave(inner, table, "a digest has 32 hexadecimal digits");
                        return true;
                    }
                    url.md5 = Some(digits.to_owned());
                }
                _ => return false,
            }
            table.remarks(&inner.lead);
            table.remarks(&inner.trail);
            true
        });
        url
    }

    /// Says which servers are never taken out since nothing is left of their checks.
    pub(super) fn without_checks(&mut self, server: &Statement) {
        let what = "none of its checks is carried over: it is ALWAYS taken as up; add a check = { plugin = \"tcp\" } at least";
        self.notes
            .add(Kind::Changed, server.place(), server.keyword(), what);
    }
}

/// The key that a statement about a check's times becomes.
fn key_of(keyword: &str) -> Option<&'static str> {
    match keyword {
        "delay_loop" => Some("interval"),
        "connect_timeout" => Some("timeout"),
        "retry" | "nb_get_retry" => Some("retries"),
        "delay_before_retry" => Some("retry_delay"),
        "alpha" => Some("alpha"),
        "warmup" => Some("warmup"),
        _ => None,
    }
}

/// Keepalived waits so long for each of its requests, and a check for all of them.
fn several_times(table: &mut Table, key: &str, count: usize) {
    let each = table.get(key).map(|it| it.trim_matches('"'));
    let each = each.and_then(|it| humantime::parse_duration(it).ok());
    let all = each.and_then(|it| it.checked_mul(u32::try_from(count).ok()?));
    if let Some(all) = all {
        table.change(key, value::show(all));
    }
}

/// Writes what the plugin http is to ask for.
fn requests(table: &mut Table, urls: &[Url], host: Option<&str>, tls: bool) {
    let place = |url: &Url| Source::place(url.from.place());
    let from = urls.first().map(place).unwrap_or_default();
    // keepalived verifies no certificates.
    let tls: &[_] = if tls {
        &[
            ("tls", "settings.tls", "true"),
            ("tls-verify", "settings.tls-verify", "false"),
        ]
    } else {
        &[]
    };
    if let [url] = urls {
        let mut settings = one_of(url, host);
        settings.extend(tls.iter().map(|(key, _, to)| (*key, (*to).to_owned())));
        table.set("settings", inline(&settings), from);
        return;
    }
    several_times(table, "timeout", urls.len());
    if let Some(host) = host {
        table.set("settings.host", quote(host), from.clone());
    }
    for (_, key, to) in tls {
        table.set(key, (*to).to_owned(), from.clone());
    }
    let lines = urls
        .iter()
        .map(|url| Item::Element(inline(&one_of(url, None)), place(url)));
    table.extend("settings.urls", lines.collect(), &from);
}

/// One of them.
fn one_of(url: &Url, host: Option<&str>) -> Vec<(&'static str, String)> {
    let mut settings = vec![("path", quote(&url.path))];
    if let Some(host) = url.host.as_deref().or(host) {
        settings.push(("host", quote(host)));
    }
    let status = if url.status.is_empty() {
        "200-299".to_owned()
    } else {
        url.status.join(",")
    };
    settings.push(("status", quote(&status)));
    if let Some(text) = &url.contains {
        settings.push(("contains", quote(text)));
    }
    if let Some((pattern, absent)) = &url.regex {
        let key = if *absent { "regex-absent" } else { "regex" };
        settings.push((key, quote(pattern)));
    }
    if let Some(digits) = &url.md5 {
        settings.push(("md5", quote(digits)));
    }
    settings
}
