/* SPDX-License-Identifier: GPL-2.0-only */
/* Error numbers: functions return 0 or one of these negated. */
#pragma once

#define ENOENT	  2
#define EINTR	  4
#define EIO	  5
#define EAGAIN	  11
#define ENOMEM	  12
#define EFAULT	  14
#define EBUSY	  16
#define EINVAL	  22
#define ERANGE	  34
#define EDEADLK	  35
#define ETIMEDOUT 110
