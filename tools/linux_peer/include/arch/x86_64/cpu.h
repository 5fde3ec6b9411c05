/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

#include <asm/msr.h>

#define x86_rdtsc() ((unsigned long)rdtsc())
