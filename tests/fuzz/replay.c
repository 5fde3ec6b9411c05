/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Runs a fuzz target over kept inputs, without libFuzzer: each in a child process. Prints TAP.
 *
 *	PROGRAM [FOLDER...]	without folders: the target's own, tests/fuzz/{seeds,regress}/NAME
 */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_INPUTS 1000
#define LIMIT_S	   60

static char *inputs[MAX_INPUTS];
static size_t nr_inputs;

static void add_folder(const char *folder)
{
	struct dirent **names;
	int n = scandir(folder, &names, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		char path[1024];

		snprintf(path, sizeof(path), "%s/%s", folder, names[i]->d_name);
		if (names[i]->d_name[0] != '.' && nr_inputs < MAX_INPUTS)
			inputs[nr_inputs++] = strdup(path);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
}

static void run(const char *path)
{
	static uint8_t data[1 << 20];
	FILE *file = fopen(path, "rb");
	size_t size;

	FUZZ_CHECK(file != NULL);
	size = fread(data, 1, sizeof(data), file);
	fclose(file);
	alarm(LIMIT_S);
	LLVMFuzzerTestOneInput(data, size);
	fflush(NULL);
	_exit(0);
}

static int passes(const char *path)
{
	int status = -1;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0)
		run(path);
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

int main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/'), *name = slash ? slash + 1 : argv[0];
	char folder[256];
	int bad = 0;

	for (int i = 1; i < argc; i++)
		add_folder(argv[i]);
	if (argc == 1) {
		snprintf(folder, sizeof(folder), "tests/fuzz/seeds/%s", name);
		add_folder(folder);
		snprintf(folder, sizeof(folder), "tests/fuzz/regress/%s", name);
		add_folder(folder);
	}
	printf("1..%zu\n", nr_inputs);
	for (size_t i = 0; i < nr_inputs; i++) {
		int good = passes(inputs[i]);

		printf("%sok %zu - %s\n", good ? "" : "not ", i + 1, inputs[i]);
		bad += !good;
		free(inputs[i]);
	}
	return bad > 0 || nr_inputs == 0;
}
