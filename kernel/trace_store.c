/* SPDX-License-Identifier: GPL-2.0-only */
/* Which traces there are: the bundled ones (kernel/traces.S) and the boot module's. */
#include "kernel/string.h"
#include "kernel/trace.h"

extern const char trace_pods[], trace_pods_end[];
extern const char trace_netns[], trace_netns_end[];
extern const char trace_nft[], trace_nft_end[];

#define NR_BUNDLED 3

static char module_name[64];
static struct trace_text traces[NR_BUNDLED + 1] = {
	{.name = "pods", .text = trace_pods},
	{.name = "netns", .text = trace_netns},
	{.name = "nft", .text = trace_nft},
	{.name = module_name},
};
static size_t nr_traces;

/* The sizes are known to the linker only. */
static void measure_bundled(void)
{
	if (nr_traces > 0)
		return;
	traces[0].size = (size_t)(trace_pods_end - trace_pods);
	traces[1].size = (size_t)(trace_netns_end - trace_netns);
	traces[2].size = (size_t)(trace_nft_end - trace_nft);
	nr_traces = NR_BUNDLED;
}

const struct trace_text *trace_list(size_t *count)
{
	measure_bundled();
	*count = nr_traces;
	return traces;
}

const struct trace_text *trace_find(const char *name)
{
	measure_bundled();
	for (size_t i = nr_traces; i-- > 0;) {
		if (strcmp(traces[i].name, name) == 0)
			return &traces[i];
	}
	return NULL;
}

const struct trace_text *trace_default(void)
{
	measure_bundled();
	return nr_traces > NR_BUNDLED ? &traces[NR_BUNDLED] : &traces[0];
}

/* "some/path/NAME.trace and more words" → "NAME", with only what a field's value may hold. */
static void name_module(const char *name)
{
	static const char suffix[] = ".trace";
	size_t length = 0;

	for (; *name != '\0' && *name != ' '; name++) {
		if (*name == '/')
			length = 0;
		else if (length < sizeof(module_name) - 1)
			module_name[length++] = *name > ' ' && *name <= '~' ? *name : '_';
	}
	module_name[length] = '\0';
	if (length >= strlen(suffix) && strcmp(module_name + length - strlen(suffix), suffix) == 0)
		module_name[length - strlen(suffix)] = '\0';
}

void trace_set_module(const char *name, const char *text, size_t size)
{
	measure_bundled();
	name_module(name);
	if (module_name[0] == '\0')
		strlcpy(module_name, "module", sizeof(module_name));
	traces[NR_BUNDLED].text = text;
	traces[NR_BUNDLED].size = size;
	nr_traces = NR_BUNDLED + 1;
}
