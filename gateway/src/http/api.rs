//! Routes and the OpenAPI document, made by the same lines so that they cannot drift apart.

use std::collections::HashMap;
use std::sync::Arc;

use actors::ids::CompanyId;
use axum::Router;
use axum::handler::Handler;
use axum::http::StatusCode;
use axum::middleware;
use axum::routing::{MethodFilter, on};
use utoipa::openapi::path::{HttpMethod, OperationBuilder, ParameterIn, Paths};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{
    AdditionalProperties, ArrayBuilder, Object, ObjectBuilder, Schema, SchemaType, Type,
};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, Required,
};
use utoipa::{PartialSchema as _, ToSchema};

use crate::app::App;
use crate::http::list;
use crate::http::parameter::{Form, describe};
use crate::http::resource::Resource;
use crate::idempotency;
use crate::problem;

/// The base path of everything that is versioned.
pub const BASE: &str = "/api/v1";

/// The names of the security schemes in the document.
const BEARER: &str = "bearer";
const TICKET: &str = "ticket";

type Named = (String, RefOr<Schema>);

/// Routes with their documentation.
pub struct Api {
    app: Arc<App>,
    router: Router<Arc<App>>,
    paths: Paths,
    schemas: Vec<Named>,
}

/// One route: what it does, takes and gives.
pub struct Route {
    method: HttpMethod,
    path: String,
    operation: OperationBuilder,
    schemas: Vec<Named>,
    /// What is given in the end.
    given: Option<RefOr<Schema>>,
    is_open: bool,
    /// Whether it may answer before the end.
    waits: bool,
    /// The context whose journal keeps the request keys.
    keyed: Option<&'static str>,
}

impl Api {
    /// No routes yet.
    #[must_use]
    pub fn new(app: Arc<App>) -> Self {
        let mut api = Self {
            app,
            router: Router::new(),
            paths: Paths::new(),
            schemas: Vec::new(),
        };
        api.know::<problem::Document<'static>>();
        api
    }

    /// Adds a route.
    #[must_use]
    pub fn add<T: 'static>(mut self, route: Route, handler: impl Handler<T, Arc<App>>) -> Self {
        let route = route.whole();
        let mut method = on(filter(&route.method), handler);
        if let Some(context) = route.keyed {
            let once = idempotency::Once::new(Arc::clone(&self.app), context);
            method = method.layer(middleware::from_fn_with_state(once, idempotency::once));
        }
        self.router = self.router.route(&route.path, method);
        self.schemas.extend(route.schemas);
        self.paths
            .add_path_operation(&route.path, vec![route.method], route.operation);
        self
    }

    /// The router, and the document as JSON.
    pub fn finish(self) -> (Router<Arc<App>>, OpenApi) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("An access token, or an API key."))
            .build();
        let what = "A ticket from `POST /live/tickets`, for browsers; good once.";
        let ticket = ApiKeyValue::with_description(TICKET, what);
        let components = ComponentsBuilder::new()
            .schemas_from_iter(opened(self.schemas))
            .security_scheme(BEARER, SecurityScheme::Http(bearer))
            .security_scheme(TICKET, SecurityScheme::ApiKey(ApiKey::Query(ticket)));
        let info = InfoBuilder::new()
            .title("Quenty")
            .version(env!("CARGO_PKG_VERSION"))
            .description(Some(include_str!("about.md")));
        let document = OpenApiBuilder::new()
            .info(info)
            .paths(self.paths)
            .components(Some(components.build()))
            .build();
        (self.router, document)
    }

    fn know<T: ToSchema>(&mut self) {
        know::<T>(&mut self.schemas);
    }
}

impl Route {
    /// A route that reads.
    #[must_use]
    pub fn get(path: &str, summary: &str) -> Self {
        Self::new(HttpMethod::Get, path, summary)
    }

    /// A route that creates or acts.
    #[must_use]
    pub fn post(path: &str, summary: &str) -> Self {
        Self::new(HttpMethod::Post, path, summary)
    }

    /// A route that changes.
    #[must_use]
    pub fn patch(path: &str, summary: &str) -> Self {
        Self::new(HttpMethod::Patch, path, summary)
    }

    /// A route that ends something.
    #[must_use]
    pub fn delete(path: &str, summary: &str) -> Self {
        Self::new(HttpMethod::Delete, path, summary)
    }

    fn new(method: HttpMethod, path: &str, summary: &str) -> Self {
        let path = format!("{BASE}{path}");
        let tag = path[BASE.len()..].split('/').nth(1).unwrap_or_default();
        let mut operation = OperationBuilder::new()
            .summary(Some(summary))
            .tag(tag)
            .response(
                "default",
                described::<problem::Document<'static>>(
                    "A problem, as in RFC 9457.",
                    problem::MEDIA_TYPE,
                ),
            );
        for name in path.split(['{', '}']).skip(1).step_by(2) {
            operation = operation.parameter(describe(name, ParameterIn::Path, "", Form::Text));
        }
        Self {
            method,
            path,
            operation,
            schemas: Vec::new(),
            given: None,
            is_open: false,
            waits: false,
            keyed: None,
        }
    }

    /// Needs no credential.
    #[must_use]
    pub fn open(mut self) -> Self {
        self.is_open = true;
        self
    }

    /// Takes a ticket, `?ticket=`, in place of a credential.
    #[must_use]
    pub fn or_ticket(mut self) -> Self {
        let ticket = SecurityRequirement::new(TICKET, std::iter::empty::<String>());
        self.operation = self.operation.security(ticket);
        self
    }

    /// Takes a JSON body.
    #[must_use]
    pub fn takes<T: ToSchema>(self) -> Self {
        self.body::<T>(Required::True)
    }

    /// Takes a JSON body, or none.
    #[must_use]
    pub fn may_take<T: ToSchema>(self) -> Self {
        self.body::<T>(Required::False)
    }

    fn body<T: ToSchema>(mut self, required: Required) -> Self {
        know::<T>(&mut self.schemas);
        let content = ContentBuilder::new().schema(Some(reference::<T>()));
        let body = RequestBodyBuilder::new()
            .content("application/json", content.build())
            .required(Some(required));
        self.operation = self.operation.request_body(Some(body.build()));
        self
    }

    /// Gives JSON.
    #[must_use]
    pub fn gives<T: ToSchema>(mut self, status: StatusCode) -> Self {
        know::<T>(&mut self.schemas);
        self.given = Some(reference::<T>());
        let response = described::<T>(reason(status), "application/json");
        self.operation = self.operation.response(status.as_str(), response);
        self
    }

    /// Gives a page of a list.
    #[must_use]
    pub fn gives_page_of<T: ToSchema>(mut self) -> Self {
        know::<T>(&mut self.schemas);
        let page = ObjectBuilder::new()
            .property("data", ArrayBuilder::new().items(reference::<T>()))
            .required("data")
            .property("next_cursor", nullable(Type::String))
            .required("next_cursor");
        let content = ContentBuilder::new().schema(Some(Schema::from(page.build())));
        let response = ResponseBuilder::new()
            .description("A page.")
            .content("application/json", content.build());
        self.operation = self.operation.response("200", response.build());
        self
    }

    /// Gives nothing but the status.
    #[must_use]
    pub fn gives_nothing(mut self) -> Self {
        let response = ResponseBuilder::new().description("Done.").build();
        self.operation = self.operation.response("204", response);
        self
    }

    /// Gives something that is not JSON.
    #[must_use]
    pub fn gives_other(mut self, status: StatusCode, media_type: &str, what: &str) -> Self {
        let response = ResponseBuilder::new()
            .description(what)
            .content(media_type, ContentBuilder::new().build());
        self.operation = self.operation.response(status.as_str(), response.build());
        self
    }

    /// Takes a query parameter.
    #[must_use]
    pub fn query(mut self, name: &str, what: &str, form: Form) -> Self {
        let parameter = describe(name, ParameterIn::Query, what, form);
        self.operation = self.operation.parameter(parameter);
        self
    }

    /// Takes a query parameter that several routes share.
    #[must_use]
    pub fn with(self, (name, what, form): (&str, &str, Form)) -> Self {
        self.query(name, what, form)
    }

    /// Takes a query parameter that must be given.
    #[must_use]
    pub fn needs(mut self, name: &str, what: &str, form: Form) -> Self {
        let parameter = describe(name, ParameterIn::Query, what, form).required(Required::True);
        self.operation = self.operation.parameter(parameter);
        self
    }

    /// Takes the parameters of a list, and the resource's statuses, if it has any, and filters.
    #[must_use]
    pub fn filters<R: Resource>(self) -> Self {
        let what = "Only with one of these, separated by commas.";
        let status =
            (!R::STATUSES.is_empty()).then_some(("status", what, Form::SomeOf(R::STATUSES)));
        let own = R::FILTERS.iter().map(|it| (it.name, it.what, it.form));
        list::PARAMETERS
            .into_iter()
            .chain(status)
            .chain(own)
            .fold(self, Self::with)
    }

    /// Takes an Idempotency-Key, kept in the journal of a context.
    #[must_use]
    pub fn keyed(mut self, context: &'static str) -> Self {
        self.keyed = Some(context);
        let what = "1 to 255 characters; the same key and body have one effect and one answer.";
        // Servers cut blanks off the ends of headers.
        let form = Form::Pattern("^[!-~]([ -~]{0,253}[!-~])?$");
        self.header(idempotency::KEY.as_str(), what, form)
    }

    /// Takes If-Match.
    #[must_use]
    pub fn conditional(self) -> Self {
        self.conditional_on("The version that is to be changed, quoted, as in ETag; or `*`.")
    }

    /// Takes If-Match, for something other than what the path names.
    #[must_use]
    pub fn conditional_on(self, what: &str) -> Self {
        self.header("if-match", what, Form::Pattern(r#"^("[0-9]{1,19}"|\*)$"#))
    }

    /// Waits for a saga as the client prefers, and gives with 202 what there is if it goes on.
    #[must_use]
    pub fn waits(mut self) -> Self {
        self.waits = true;
        self.header(
            "prefer",
            "`respond-async` answers 202 at once; `wait=3` waits so many seconds for the outcome.",
            Form::Text,
        )
    }

    /// Adds what depends on more than one of the other properties.
    fn whole(mut self) -> Self {
        if self.waits
            && let Some(schema) = self.given.take()
        {
            let response = described_by(schema, reason(StatusCode::ACCEPTED), "application/json");
            let status = StatusCode::ACCEPTED.as_str();
            self.operation = self.operation.response(status, response);
        }
        if self.is_open {
            return self;
        }
        let bearer = SecurityRequirement::new(BEARER, std::iter::empty::<String>());
        self.operation = self.operation.security(bearer);
        self.header(
            "quenty-company",
            "The company to act in; for superusers, who are of none.",
            Form::Value(CompanyId::schema),
        )
    }

    fn header(mut self, name: &str, what: &str, form: Form) -> Self {
        let parameter = describe(name, ParameterIn::Header, what, form);
        self.operation = self.operation.parameter(parameter);
        self
    }
}

fn filter(method: &HttpMethod) -> MethodFilter {
    match method {
        HttpMethod::Post => MethodFilter::POST,
        HttpMethod::Patch => MethodFilter::PATCH,
        HttpMethod::Delete => MethodFilter::DELETE,
        _ => MethodFilter::GET,
    }
}

fn reason(status: StatusCode) -> &'static str {
    match status {
        StatusCode::CREATED => "Created.",
        StatusCode::ACCEPTED => "Under way.",
        _ => "Done.",
    }
}

/// The schemas, with parts of others inlined where they take no more members: as a part, such a one
/// would refuse the members of the other parts.
fn opened(schemas: Vec<Named>) -> Vec<Named> {
    let closed: HashMap<_, _> = schemas
        .iter()
        .filter_map(|(name, schema)| Some((name.clone(), without_bar(schema)?)))
        .collect();
    let open = |part: RefOr<Schema>| match &part {
        RefOr::Ref(reference) => {
            let name = reference.ref_location.rsplit('/').next();
            name.and_then(|name| closed.get(name))
                .cloned()
                .unwrap_or(part)
        }
        RefOr::T(_) => part,
    };
    let open_all = |(name, schema)| match schema {
        RefOr::T(Schema::AllOf(mut whole)) => {
            whole.items = whole.items.into_iter().map(open).collect();
            (name, RefOr::T(Schema::AllOf(whole)))
        }
        other => (name, other),
    };
    schemas.into_iter().map(open_all).collect()
}

/// An object that takes no other members, made to take them.
fn without_bar(schema: &RefOr<Schema>) -> Option<RefOr<Schema>> {
    let RefOr::T(Schema::Object(object)) = schema else {
        return None;
    };
    match object.additional_properties.as_deref() {
        Some(AdditionalProperties::FreeForm(false)) => {
            let mut object = object.clone();
            object.additional_properties = None;
            Some(object.into())
        }
        _ => None,
    }
}

fn know<T: ToSchema>(schemas: &mut Vec<Named>) {
    T::schemas(schemas);
    schemas.push((T::name().into_owned(), T::schema()));
}

fn reference<T: ToSchema>() -> RefOr<Schema> {
    Ref::from_schema_name(T::name()).into()
}

fn described<T: ToSchema>(what: &str, media_type: &str) -> utoipa::openapi::Response {
    described_by(reference::<T>(), what, media_type)
}

fn described_by(schema: RefOr<Schema>, what: &str, media_type: &str) -> utoipa::openapi::Response {
    let content = ContentBuilder::new().schema(Some(schema));
    ResponseBuilder::new()
        .description(what)
        .content(media_type, content.build())
        .build()
}

fn nullable(kind: Type) -> Object {
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([kind, Type::Null]))
        .build()
}
