/* SPDX-License-Identifier: GPL-2.0-only */
/* What stands at the other end of COM1: a program on a pipe, or a terminal with somebody before it. */
#pragma once

#include "kernel/compiler.h"

/* console=tty: escape sequences are understood, and answers may be in colour. */
bool terminal_on(void);
/* Its size: 80 columns of 24 rows until it has told another. */
size_t terminal_columns(void);
size_t terminal_rows(void);
void terminal_resize(size_t rows, size_t columns);
