/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * JSON-RPC 2.0: from a line to calls of methods, and from their answers to a line.
 *
 * A line is one request or a batch. Each request is a struct rpc_call; the line is answered when
 * all of its calls are. A call is freed when its handler returns, or, deferred, when its last step
 * has run; it outlives its client.
 */
#include "rpc.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schema.h"

struct rpc_line {
	void (*out)(void *arg, const char *text, size_t len);
	void *arg;
	bool gone; /* nobody is left to read the answer */
	bool batch;
	unsigned int pending; /* calls not freed yet, and one while the line is being read */
	json_t *answers;      /* array */
};

struct rpc_call {
	struct rpc_line *line;
	json_t *id; /* NULL: a notification, never answered */
	bool answered;
	bool (*step)(struct ctl *c, struct rpc_call *call, void *state);
	void (*release)(void *state);
	void *state;
	struct rpc *rpc;
	struct rpc_call *next; /* among the deferred */
};

struct rpc {
	struct schema *schema;
	struct rpc_call *deferred;
	unsigned int n_deferred;
};

/* ---- answers ------------------------------------------------------------------------------ */

/* A JSON string of text that may come from anywhere: what is not UTF-8 (or cut within a character)
 * is shown as '?'. */
static json_t *text_json(const char *text)
{
	json_t *s = json_string(text);
	char *copy;

	if (s)
		return s;
	copy = strdup(text);
	if (!copy)
		return NULL;
	for (char *p = copy; *p; p++)
		if ((unsigned char)*p >= 0x80)
			*p = '?';
	s = json_string(copy);
	free(copy);
	return s;
}

static json_t *error_json(int code, const char *text, json_t *data)
{
	json_t *e = json_pack("{s:i, s:o}", "code", code, "message", text_json(text));

	if (data)
		json_object_set_new(e, "data", data);
	return e;
}

/* {"jsonrpc", key: value, "id"}; takes value. */
static json_t *response(const char *key, json_t *value, json_t *id)
{
	return json_pack("{s:s, s:o, s:O}", "jsonrpc", "2.0", key, value, "id", id);
}

static void line_release(struct rpc_line *l)
{
	json_t *answer = l->answers;
	char *text;
	size_t len;

	if (--l->pending)
		return;
	if (!l->batch)
		answer = json_array_get(l->answers, 0);
	if (!l->gone && json_array_size(l->answers) > 0) {
		text = json_dumps(answer, JSON_COMPACT);
		len = text ? strlen(text) : 0;
		if (text) {
			text[len] = '\n'; /* in place of the NUL; the length says where it ends */
			l->out(l->arg, text, len + 1);
		}
		free(text);
	}
	json_decref(l->answers);
	free(l);
}

static void call_free(struct rpc_call *call)
{
	line_release(call->line);
	json_decref(call->id);
	free(call);
}

static void answer(struct rpc_call *call, const char *key, json_t *value)
{
	call->answered = true;
	if (call->id && !call->line->gone)
		json_array_append_new(call->line->answers, response(key, value, call->id));
	else
		json_decref(value);
}

void rpc_result(struct rpc_call *call, json_t *result)
{
	if (result)
		answer(call, "result", result);
	else
		rpc_error(call, RPC_INTERNAL_ERROR, "out of memory");
}

void rpc_error(struct rpc_call *call, int code, const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	answer(call, "error", error_json(code, text, NULL));
}

json_t *rpc_faults_json(const struct faults *faults)
{
	json_t *list = json_array();

	for (size_t i = 0; i < faults->n; i++) {
		const struct fault *f = &faults->list[i];
		json_t *o = json_pack(
			"{s:o, s:o}", "path", text_json(f->path), "text", text_json(f->text));

		if (f->warning)
			json_object_set_new(o, "warning", json_true());
		json_array_append_new(list, o);
	}
	return list;
}

void rpc_faults(struct rpc_call *call, int code, const char *what, const struct faults *faults)
{
	json_t *data = json_pack("{s:o}", "faults", rpc_faults_json(faults));
	const struct fault *first = NULL;
	char text[512];

	for (size_t i = 0; i < faults->n && !first; i++)
		if (!faults->list[i].warning)
			first = &faults->list[i];
	if (first)
		snprintf(text, sizeof(text), "%s: %s%s%s%s", what, first->path,
			first->path[0] ? ": " : "", first->text,
			faults->errors > 1 ? " (and more: see data.faults)" : "");
	else
		snprintf(text, sizeof(text), "%s", what);
	answer(call, "error", error_json(code, text, data));
}

char *rpc_complaint(int code, const char *text)
{
	json_t *r = response("error", error_json(code, text, NULL), json_null());
	char *line = json_dumps(r, JSON_COMPACT), *whole = NULL;

	if (line && asprintf(&whole, "%s\n", line) < 0)
		whole = NULL;
	free(line);
	json_decref(r);
	return whole;
}

/* ---- calls that wait ---------------------------------------------------------------------- */

bool rpc_defer(struct rpc_call *call,
	bool (*step)(struct ctl *c, struct rpc_call *call, void *state),
	void (*release)(void *state), void *state)
{
	struct rpc *r = call->rpc;

	if (r->n_deferred == RPC_DEFERRED_MAX) {
		rpc_error(call, RPC_BUSY,
			"%u requests wait for the workers already; try again later",
			RPC_DEFERRED_MAX);
		return false;
	}
	call->step = step;
	call->release = release;
	call->state = state;
	call->next = r->deferred;
	r->deferred = call;
	r->n_deferred++;
	return true;
}

bool rpc_gone(const struct rpc_call *call)
{
	return call->line->gone;
}

bool rpc_waiting(const struct rpc *r, const void *arg)
{
	for (const struct rpc_call *call = r->deferred; call; call = call->next)
		if (call->line->arg == arg)
			return true;
	return false;
}

unsigned int rpc_poll(struct ctl *c)
{
	struct rpc_call **at = &c->rpc->deferred;

	while (*at) {
		struct rpc_call *call = *at;

		if (!call->step(c, call, call->state)) {
			at = &call->next;
			continue;
		}
		*at = call->next;
		c->rpc->n_deferred--;
		call_free(call);
	}
	return c->rpc->n_deferred;
}

void rpc_forget(struct rpc *r, const void *arg)
{
	for (struct rpc_call *call = r->deferred; call; call = call->next)
		if (call->line->arg == arg)
			call->line->gone = true;
}

/* ---- requests ----------------------------------------------------------------------------- */

/* Every method's name, for "did you mean"; free() it. */
static const char **method_names(const struct rpc *r)
{
	const json_t *methods = json_object_get(r->schema->doc, "methods");
	const char **names = calloc(json_object_size(methods) + 1, sizeof(*names));
	const char *name;
	json_t *unused;
	size_t n = 0;

	if (names)
		json_object_foreach ((json_t *)methods, name, unused)
			names[n++] = name;
	return names;
}

static void method_unknown(struct rpc_call *call, const char *method)
{
	const char **names = method_names(call->rpc);
	const char *close = names ? fault_closest(method, names) : NULL;

	if (close)
		rpc_error(call, RPC_METHOD_NOT_FOUND, "no method \"%.80s\"; did you mean \"%s\"?",
			method, close);
	else
		rpc_error(call, RPC_METHOD_NOT_FOUND,
			"no method \"%.80s\"; rpc.describe lists them", method);
	free(names);
}

static const struct rpc_method *method_find(const char *name)
{
	const char *dot = strchr(name, '.');

	for (unsigned int i = 0; dot && rpc_table[i]; i++) {
		const struct rpc_area *area = rpc_table[i];

		if (strlen(area->noun) != (size_t)(dot - name) ||
			strncmp(area->noun, name, dot - name) != 0)
			continue;
		for (const struct rpc_method *m = area->methods; m->verb; m++)
			if (strcmp(m->verb, dot + 1) == 0)
				return m;
	}
	return NULL;
}

/* The parameters against the method's schema; answers when they are not right. */
static bool params_check(struct rpc_call *call, const char *method, const json_t *params)
{
	const json_t *methods = json_object_get(call->rpc->schema->doc, "methods");
	const json_t *rule = json_object_get(json_object_get(methods, method), "params");
	struct faults faults = { 0 };
	bool good;

	if (!json_is_object(params)) {
		rpc_error(call, RPC_INVALID_PARAMS, "params must be an object");
		return false;
	}
	good = schema_check(call->rpc->schema, rule, params, "", &faults);
	if (!good)
		rpc_faults(call, RPC_INVALID_PARAMS, "invalid parameters", &faults);
	faults_free(&faults);
	return good;
}

static void dispatch(struct ctl *c, struct rpc_call *call, const char *name, const json_t *given)
{
	const struct rpc_method *method = method_find(name);
	json_t *empty = given ? NULL : json_object();
	const json_t *params = given ? given : empty;

	if (!method)
		method_unknown(call, name);
	else if (params_check(call, name, params))
		method->handle(c, params, call);
	json_decref(empty);
}

/* NULL when the request is good, else what is wrong with it. */
static const char *request_fault(const json_t *request)
{
	const char *version = json_string_value(json_object_get(request, "jsonrpc"));
	const json_t *id = json_object_get(request, "id");

	if (!json_is_object(request))
		return "a request is an object";
	if (!version || strcmp(version, "2.0") != 0)
		return "\"jsonrpc\" must be \"2.0\"";
	if (id && !json_is_string(id) && !json_is_number(id) && !json_is_null(id))
		return "\"id\" must be a string, a number or null";
	if (!json_is_string(json_object_get(request, "method")))
		return "\"method\" must be a string";
	return NULL;
}

/* What the answer to a faulty request can be known by. */
static json_t *request_id(const json_t *request)
{
	json_t *id = json_object_get(request, "id");

	return json_is_string(id) || json_is_number(id) ? json_incref(id) : json_null();
}

static void request_run(struct ctl *c, struct rpc_line *line, const json_t *request)
{
	struct rpc_call *call = calloc(1, sizeof(*call));
	const char *fault = request_fault(request);

	if (!call)
		return;
	call->line = line;
	call->rpc = c->rpc;
	line->pending++;
	if (fault) {
		call->id = request_id(request);
		rpc_error(call, RPC_INVALID_REQUEST, "invalid request: %s", fault);
	} else {
		call->id = json_incref(json_object_get(request, "id"));
		dispatch(c, call, json_string_value(json_object_get(request, "method")),
			json_object_get(request, "params"));
	}
	if (call->step)
		return;
	if (!call->answered)
		rpc_error(call, RPC_INTERNAL_ERROR, "the method did not answer");
	call_free(call);
}

/* An error that belongs to no request. */
static void line_error(struct rpc_line *line, int code, const char *text)
{
	line->batch = false;
	json_array_append_new(
		line->answers, response("error", error_json(code, text, NULL), json_null()));
}

static void batch_run(struct ctl *c, struct rpc_line *line, const json_t *batch)
{
	char text[80];
	json_t *request;
	size_t i;

	if (json_array_size(batch) == 0) {
		line_error(line, RPC_INVALID_REQUEST, "invalid request: the batch is empty");
		return;
	}
	if (json_array_size(batch) > RPC_BATCH_MAX) {
		snprintf(text, sizeof(text),
			"invalid request: a batch of %zu, at most %d are allowed",
			json_array_size(batch), RPC_BATCH_MAX);
		line_error(line, RPC_INVALID_REQUEST, text);
		return;
	}
	line->batch = true;
	json_array_foreach (batch, i, request)
		request_run(c, line, request);
}

static bool line_blank(const char *line, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r' && line[i] != '\n')
			return false;
	return true;
}

void rpc_input(struct ctl *c, const char *text, size_t len,
	void (*out)(void *arg, const char *text, size_t len), void *arg)
{
	struct rpc_line *line;
	json_error_t error;
	char what[JSON_ERROR_TEXT_LENGTH + 64];
	json_t *doc;

	if (line_blank(text, len))
		return;
	line = calloc(1, sizeof(*line));
	if (!line)
		return;
	*line = (struct rpc_line){ .out = out, .arg = arg, .pending = 1, .answers = json_array() };
	doc = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	if (!doc) {
		snprintf(what, sizeof(what), "not JSON: byte %d: %s", error.position, error.text);
		line_error(line, RPC_PARSE_ERROR, what);
	} else if (json_is_array(doc)) {
		batch_run(c, line, doc);
	} else {
		request_run(c, line, doc);
	}
	json_decref(doc);
	line_release(line);
}

/* ---- making ------------------------------------------------------------------------------- */

struct rpc *rpc_create(void)
{
	struct rpc *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->schema = schema_load(schema_rpc_text, schema_rpc_len);
	if (r->schema)
		return r;
	free(r);
	errno = ENOMEM;
	return NULL;
}

void rpc_destroy(struct rpc *r)
{
	if (!r)
		return;
	while (r->deferred) {
		struct rpc_call *call = r->deferred;

		r->deferred = call->next;
		call->line->gone = true;
		call->release(call->state);
		call_free(call);
	}
	schema_free(r->schema);
	free(r);
}

const json_t *rpc_schema(const struct rpc *r)
{
	return r->schema->doc;
}
