/* SPDX-License-Identifier: BSD-3-Clause */
/* From text to documents: comments, positions, and what is refused. */
#include "config_test.h"

#include <unistd.h>

#define TEXT(s) s, sizeof(s) - 1

static const struct {
	const char *text;
	size_t len;
	const char *fault;
} bad[] = {
	{ TEXT(""), "empty; needed is an object" },
	{ TEXT("{"), "line 1, column 1: the document ends too early; a bracket, brace or quote is "
		     "not closed" },
	{ TEXT("{\"a\": 1,\n \"b\": [1, 2}"),
		"line 2, column 12: not JSON; ']' expected near '}'" },
	{ TEXT("{\"a\" 1}"), "line 1, column 6: not JSON; ':' expected near '1'" },
	{ TEXT("{\"a\": 1,}"), "line 1, column 9: not JSON; string or '}' expected near '}'" },
	{ TEXT("{\"a\": 'x'}"), "line 1, column 7: not JSON; invalid token near '''" },
	{ TEXT("{\"a\": 1}\n}"),
		"line 2, column 1: something stands after the end of the document; remove it" },
	{ TEXT("{\"a\": 1}{}"),
		"line 1, column 9: something stands after the end of the document; remove it" },
	{ TEXT("{\"a\": 1,\n\n  \"b\": 2, \"a\": 3}"),
		"line 3, column 13: a key that its object already has; remove one of them" },
	{ TEXT("{\"a\": 1e999999}"), "line 1, column 14: a number that is too large" },
	{ TEXT("{\"a\": 99999999999999999999999}"),
		"line 1, column 29: a number that is too large" },
	{ TEXT("{\"a\": 0x10}"), "line 1, column 8: not JSON; '}' expected near 'x'" },
	{ TEXT("{\"a\": 012}"), "line 1, column 7: not JSON; invalid token near '0'" },
	{ TEXT("{\"a\": NaN}"), "line 1, column 9: not JSON; invalid token near 'NaN'" },
	{ TEXT("{\"a\": \"x\\u0000y\"}"),
		"line 1, column 16: a string with a NUL character (\\u0000); remove it" },
	{ TEXT("{\"a\\u0000b\": 1}"),
		"line 1, column 11: a key with a NUL character (\\u0000); remove it" },
	{ TEXT("{\"a\": \"x\0y\"}"), "line 1, column 9: a NUL byte; this is no text file" },
	{ TEXT("{\"a\": 1\0}"), "line 1, column 8: a NUL byte; this is no text file" },
	{ TEXT("{\"a\": \"\xff\"}"), "line 1, column 7: not UTF-8; save the file as UTF-8" },
	{ TEXT("{\"a\": \"\xed\xa0\x80\"}"),
		"line 1, column 7: not UTF-8; save the file as UTF-8" },
	{ TEXT("{\"a\": \"\\ud800\"}"),
		"line 1, column 14: not JSON; invalid Unicode '\\uD800' near '\"\\ud800\"'" },
	{ TEXT("{\"a\": \"x\ny\"}"), "line 1, column 8: not JSON; unexpected newline near '\"x'" },
	{ TEXT("{\"a\": \"x}"), "line 1, column 9: the document ends too early; a bracket, brace "
				"or quote is not closed" },
	{ TEXT("{\"a\": \"\\"), "line 1, column 8: not JSON; invalid escape near '\"\\'" },
	{ TEXT("// nothing but a comment\n"), "empty; needed is an object" },
	{ TEXT("{ /* never\n ends * / }"),
		"line 1, column 3: a comment that never ends; \"*/\" is missing" },
	{ TEXT("{ /*/ }"), "line 1, column 3: a comment that never ends; \"*/\" is missing" },
	{ TEXT("{ / * \"a\": 1 }"), "line 1, column 3: not JSON; string or '}' expected near '/'" },
	{ TEXT("/* x */ { /* \xc3\xa9\xc3\xa9 */ oops }"),
		"line 1, column 23: not JSON; string or '}' expected near 'oops'" },
	{ TEXT("7"), "line 1, column 1: not JSON; '[' or '{' expected near '7'" },
	{ TEXT("\"text\""), "line 1, column 6: not JSON; '[' or '{' expected near '\"text\"'" },
};

static void test_bad(void **state)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct faults faults = { 0 };

		assert_null(config_parse(bad[i].text, bad[i].len, &faults));
		assert_int_equal(faults.n, 1);
		assert_string_equal(faults.list[0].path, "");
		assert_string_equal(faults.list[0].text, bad[i].fault);
		faults_free(&faults);
	}
}

/* As deep as one likes, and a little deeper than the parser goes. */
static void test_deep(void **state)
{
	enum { DEPTH = 100000 };
	struct faults faults = { 0 };
	char *text = malloc(DEPTH);

	assert_non_null(text);
	memset(text, '[', DEPTH);
	assert_null(config_parse(text, DEPTH, &faults));
	assert_int_equal(faults.n, 1);
	assert_string_equal(faults.list[0].text, "line 1, column 2049: nested too deeply");
	faults_free(&faults);
	free(text);
}

static void test_comments(void **state)
{
	json_t *doc = parse(
		"// first\n"
		"{ /* one */ 'a': 1, // to the end: '}'\n"
		"  'url': 'http://x/*not*/ // nor this', /* two\n lines ' { */ 'b': [2 /**/, 3],\n"
		"  'quote': '\\' // \\\\', 'c': '/' /***/\n"
		"} // last");

	assert_int_equal(json_object_size(doc), 5);
	assert_int_equal(json_integer_value(json_object_get(doc, "a")), 1);
	assert_string_equal(
		json_string_value(json_object_get(doc, "url")), "http://x/*not*/ // nor this");
	assert_int_equal(json_array_size(json_object_get(doc, "b")), 2);
	assert_string_equal(json_string_value(json_object_get(doc, "quote")), "\" // \\");
	assert_string_equal(json_string_value(json_object_get(doc, "c")), "/");
	json_decref(doc);
}

static void test_file(void **state)
{
	char path[] = "/tmp/document_testXXXXXX";
	struct faults faults = { 0 };
	int fd = mkstemp(path);
	json_t *doc;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "{\"a\": 1} // x", 13), 13);
	doc = config_load(path, &faults);
	assert_non_null(doc);
	assert_int_equal(json_integer_value(json_object_get(doc, "a")), 1);
	json_decref(doc);
	close(fd);
	unlink(path);
	assert_null(config_load(path, &faults));
	assert_faults(&faults, ": cannot be read: No such file or directory\n");
	assert_null(config_load("/tmp", &faults));
	assert_faults(&faults, ": cannot be read: Is a directory\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_deep),
		cmocka_unit_test(test_comments),
		cmocka_unit_test(test_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
