/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the boot loader tells: the Multiboot2 information structure, parsed from memory into one
 * struct. The parser only reads the given bytes, checks every length, and builds on the host too.
 * Source: Multiboot2 specification 2.0, section 3.6.
 */
#pragma once

#include "kernel/compiler.h"

#define MULTIBOOT2_BOOT_MAGIC 0x36d76289
#define BOOT_MAX_REGIONS      128
#define BOOT_MAX_MODULES      8
#define BOOT_CMDLINE_SIZE     1024

enum boot_region_type {
	REGION_USABLE = 1,
	REGION_RESERVED = 2,
	REGION_ACPI = 3,
	REGION_NVS = 4,
	REGION_BAD = 5
};

struct boot_region {
	phys_addr_t start, end; /* half-open */
	unsigned int type;	/* enum boot_region_type, or the firmware's number */
};

struct boot_module {
	phys_addr_t start, end; /* half-open */
	char cmdline[64];	/* the words after its file name */
};

enum boot_framebuffer_type { FRAMEBUFFER_NONE, FRAMEBUFFER_RGB, FRAMEBUFFER_TEXT };

/* The screen as the loader left it. */
struct boot_framebuffer {
	enum boot_framebuffer_type type; /* FRAMEBUFFER_NONE: the rest is 0 */
	phys_addr_t address;
	uint32_t pitch;		/* bytes from one line to the next */
	uint32_t width, height; /* pixels; of text: characters */
	uint8_t bits;		/* of a pixel or character */
	struct boot_colour {
		uint8_t position, size; /* of its bits in a pixel; 0 for text */
	} red, green, blue;
};

struct boot_info {
	char cmdline[BOOT_CMDLINE_SIZE];
	struct boot_region regions[BOOT_MAX_REGIONS];
	unsigned int nr_regions;
	struct boot_module modules[BOOT_MAX_MODULES];
	unsigned int nr_modules;
	uint8_t rsdp[36]; /* copy of the ACPI root pointer; all 0 if there was no tag */
	bool has_rsdp;
	struct boot_framebuffer framebuffer;
};

extern struct boot_info boot_info;

/*
 * Parses size bytes at info. Returns NULL on success, else what is wrong (a static string: "no
 * memory map tag", "tag runs past the end" …). Any context.
 */
const char *multiboot2_parse(const void *info, size_t size, struct boot_info *out);
