/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config_test.h"

static void write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void test_set(void **state)
{
	struct admin_state *a = admin_create();

	assert_int_equal(admin_get(a, "web", "a"), ADMIN_ENABLED);
	assert_int_equal(admin_set(a, "web", "a", ADMIN_DRAIN), 0);
	assert_int_equal(admin_set(a, "dns", "a", ADMIN_DISABLED), 0);
	assert_int_equal(admin_get(a, "web", "a"), ADMIN_DRAIN);
	assert_int_equal(admin_get(a, "dns", "a"), ADMIN_DISABLED);
	assert_int_equal(admin_get(a, "web", "b"), ADMIN_ENABLED);
	assert_int_equal(admin_set(a, "web", "a", ADMIN_ENABLED), 0);
	assert_int_equal(admin_get(a, "web", "a"), ADMIN_ENABLED);
	/* Without a file there is nothing to save. */
	assert_int_equal(admin_save(a), 0);
	admin_destroy(a);
}

/* What one process sets, the next one has. */
static void test_file(void **state)
{
	char folder[] = "/tmp/admin_testXXXXXX", path[64], beside[80];
	struct faults faults = { 0 };
	struct admin_state *a = admin_create();

	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/state", folder);
	snprintf(beside, sizeof(beside), "%s.new", path);
	assert_int_equal(admin_open(a, path, &faults), 0);
	assert_int_equal(admin_save(a), 0);
	assert_int_equal(access(path, F_OK), -1);
	admin_set(a, "web", "a", ADMIN_DRAIN);
	admin_set(a, "web", "b", ADMIN_DISABLED);
	assert_int_equal(admin_save(a), 0);
	assert_int_equal(access(beside, F_OK), -1);
	admin_destroy(a);

	a = admin_create();
	assert_int_equal(admin_open(a, path, &faults), 0);
	assert_int_equal(admin_get(a, "web", "a"), ADMIN_DRAIN);
	assert_int_equal(admin_get(a, "web", "b"), ADMIN_DISABLED);
	/* A folder that is gone: told once. */
	unlink(path);
	rmdir(folder);
	admin_set(a, "web", "a", ADMIN_ENABLED);
	assert_int_equal(admin_save(a), -ENOENT);
	assert_int_equal(admin_save(a), 0);
	admin_set(a, "web", "a", ADMIN_ENABLED);
	assert_int_equal(admin_save(a), -ENOENT);
	admin_destroy(a);
	assert_faults(&faults, "");
}

static void test_path(void **state)
{
	char path[64];

	assert_int_equal(admin_path("/s/x", "/var/lib/a", "/run/f", path, sizeof(path)), 0);
	assert_string_equal(path, "/s/x");
	assert_int_equal(admin_path(NULL, "/var/lib/a:/b", "/run/f", path, sizeof(path)), 0);
	assert_string_equal(path, "/var/lib/a/state");
	assert_int_equal(admin_path(NULL, "/var/lib/a", "/run/f", path, sizeof(path)), 0);
	assert_string_equal(path, "/var/lib/a/state");
	assert_int_equal(admin_path(NULL, "", "/run/f", path, sizeof(path)), 0);
	assert_string_equal(path, "/run/f.state");
	assert_int_equal(admin_path(NULL, NULL, "/run/f", path, sizeof(path)), 0);
	assert_string_equal(path, "/run/f.state");
	assert_int_equal(admin_path(NULL, NULL, "/run/f", path, 12), -ENAMETOOLONG);
}

/* What cannot be written is refused at once, not when the first server is drained. */
static void test_unwritable(void **state)
{
	static const struct {
		const char *path, *fault;
		int rc;
	} cases[] = {
		{ "/nonexistent/y/state",
			"state: /nonexistent/y/state cannot be written: folder /nonexistent/y: No "
			"such file or directory; make that folder writable, or name another file\n",
			-ENOENT },
		{ "/dev/null/state",
			"state: /dev/null/state cannot be written: folder /dev/null: Not a "
			"directory; make that folder writable, or name another file\n",
			-ENOTDIR },
		{ "/etc/passwd/state",
			"state: /etc/passwd/state cannot be written: folder /etc/passwd: Not a "
			"directory; make that folder writable, or name another file\n",
			-ENOTDIR },
	};
	char folder[] = "/tmp/admin_testXXXXXX", path[64];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct admin_state *a = admin_create();
		struct faults faults = { 0 };

		assert_int_equal(admin_open(a, cases[i].path, &faults), cases[i].rc);
		assert_faults(&faults, cases[i].fault);
		admin_set(a, "web", "a", ADMIN_DRAIN);
		assert_int_equal(admin_save(a), 0);
		admin_destroy(a);
	}
	/* The last folder is made. */
	struct admin_state *a = admin_create();
	struct faults faults = { 0 };

	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/new/state", folder);
	assert_int_equal(admin_open(a, path, &faults), 0);
	admin_set(a, "web", "a", ADMIN_DRAIN);
	assert_int_equal(admin_save(a), 0);
	assert_int_equal(unlink(path), 0);
	*strrchr(path, '/') = '\0';
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rmdir(folder), 0);
	admin_destroy(a);
}

/* A file of somebody else is left alone. */
static void test_foreign(void **state)
{
	static const char *const texts[] = { "root:x:0:0", "[]", "{\"servers\": 1}", "" };
	char path[] = "/tmp/admin_testXXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct admin_state *a = admin_create();
		struct faults faults = { 0 };
		struct stat st;

		write_text(path, texts[i]);
		assert_int_equal(admin_open(a, path, &faults), -EINVAL);
		assert_int_equal(faults.errors, 1);
		assert_string_equal(faults.list[0].path, "state");
		admin_set(a, "web", "a", ADMIN_DRAIN);
		assert_int_equal(admin_save(a), 0);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_size, strlen(texts[i]));
		faults_free(&faults);
		admin_destroy(a);
	}
	/* Entries that are not understood are passed over. */
	struct admin_state *a = admin_create();
	struct faults faults = { 0 };
	write_text(
		path, "{\"servers\": {\"web/a\": \"drain\", \"web/b\": \"asleep\", \"web/c\": 1}}");
	assert_int_equal(admin_open(a, path, &faults), 0);
	assert_int_equal(admin_get(a, "web", "a"), ADMIN_DRAIN);
	assert_int_equal(admin_get(a, "web", "b"), ADMIN_ENABLED);
	assert_int_equal(admin_get(a, "web", "c"), ADMIN_ENABLED);
	admin_destroy(a);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_path),
		cmocka_unit_test(test_unwritable),
		cmocka_unit_test(test_foreign),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
