// Package suites names the packages whose tests are run, so that the module knows them.
package suites

import (
	_ "github.com/twmb/franz-go/pkg/kadm"
	_ "github.com/twmb/franz-go/pkg/kgo"
)
