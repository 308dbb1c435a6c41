package gateway

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/weir-ml/weir/platform/gateway/identity"
)

// An LDAP is a directory that knows people, such as OpenLDAP or Active Directory.
// They sign in with their name and password of it.
type LDAP struct {
	// URL is its address: ldaps://ldap.example.com, or ldap:// with StartTLS.
	URL      string `json:"url"`
	StartTLS bool   `json:"startTLS,omitempty"`
	// CAFile has who vouches for it, if that is nobody whom the machine knows.
	CAFile string `json:"caFile,omitempty"`
	// BindDN and BindPassword are who may search it; nobody if empty.
	BindDN       string `json:"bindDN,omitempty"`
	BindPassword string `json:"bindPassword,omitempty"`
	// Users are found below Base; those whom Filter matches, (objectClass=person)
	// if empty, by the attribute Name, uid if empty.
	Users struct {
		Base   string `json:"base"`
		Filter string `json:"filter,omitempty"`
		Name   string `json:"name,omitempty"`
	} `json:"users"`
	// Groups are found below Base, if it is said; those whom Filter matches, all if
	// empty, and whose attribute Member, member if empty, has the user's attribute
	// MemberIs, their DN if empty. The attribute Name, cn if empty, names them.
	Groups struct {
		Base     string `json:"base,omitempty"`
		Filter   string `json:"filter,omitempty"`
		Member   string `json:"member,omitempty"`
		MemberIs string `json:"memberIs,omitempty"`
		Name     string `json:"name,omitempty"`
	} `json:"groups,omitzero"`
}

const ldapPatience = 10 * time.Second

// Check says what is missing, or wrong, by the field.
func (l *LDAP) Check() error {
	u, err := url.Parse(l.URL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "ldaps" && u.Scheme != "ldap":
		return &FieldError{"url", fmt.Errorf("%q is no address: say the directory's, as ldaps://ldap.example.com", l.URL)}
	case u.Scheme == "ldap" && !l.StartTLS && !isLoopback(u.Hostname()):
		return &FieldError{"url", fmt.Errorf("%q sends passwords that others can read: say ldaps://, or startTLS: true", l.URL)}
	case l.Users.Base == "":
		return &FieldError{"users.base", errors.New("it is missing: say below what users are, as ou=people,dc=example,dc=com")}
	}
	for field, filter := range map[string]string{"users.filter": l.Users.Filter, "groups.filter": l.Groups.Filter} {
		if filter == "" {
			continue
		}
		if _, err := ldap.CompileFilter(filter); err != nil {
			return &FieldError{field, fmt.Errorf("%q is no filter (%w): say one as (objectClass=person)", filter, err)}
		}
	}
	_, err = l.tls()
	return Within("caFile", err)
}

func (l *LDAP) tls() (*tls.Config, error) {
	u, err := url.Parse(l.URL)
	if err != nil {
		return nil, err
	}
	c := &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}
	if l.CAFile == "" {
		return c, nil
	}
	text, err := os.ReadFile(l.CAFile)
	if err != nil {
		return nil, err
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s has no certificate in PEM", l.CAFile)
	}
	return c, nil
}

// signIn is the user whose name and password of the directory these are.
func (l *LDAP) signIn(ctx context.Context, name, password string) (identity.Subject, error) {
	// A directory takes who says a name and no password for nobody in particular,
	// and says that all is well.
	if name == "" || password == "" {
		return identity.Subject{}, identity.ErrUnknown
	}
	c, err := l.dial()
	if err != nil {
		return identity.Subject{}, fmt.Errorf("reach the directory %s: %w", l.URL, err)
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	found, err := l.find(c, name)
	if err != nil {
		return identity.Subject{}, fmt.Errorf("look for %s in the directory: %w", name, err)
	}
	dn := "cn=nobody," + l.Users.Base // as long for who does not exist
	if found != nil {
		dn = found.DN
	}
	switch err := c.Bind(dn, password); {
	case ldap.IsErrorAnyOf(err, ldap.LDAPResultInvalidCredentials, ldap.LDAPResultNoSuchObject, ldap.LDAPResultInvalidDNSyntax) || found == nil && err == nil:
		return identity.Subject{}, identity.ErrUnknown
	case err != nil:
		return identity.Subject{}, fmt.Errorf("ask the directory for the password of %s: %w", name, err)
	}
	return l.subject(c, found)
}

func (l *LDAP) dial() (*ldap.Conn, error) {
	secure, err := l.tls()
	if err != nil {
		return nil, err
	}
	c, err := ldap.DialURL(l.URL, ldap.DialWithDialer(&net.Dialer{Timeout: ldapPatience}), ldap.DialWithTLSConfig(secure))
	if err != nil {
		return nil, err
	}
	c.SetTimeout(ldapPatience)
	if l.StartTLS {
		if err := c.StartTLS(secure); err != nil {
			_ = c.Close()
			return nil, err
		}
	}
	return c, nil
}

// search asks the directory as who may.
func (l *LDAP) search(c *ldap.Conn, base, filter string, limit int, attributes ...string) ([]*ldap.Entry, error) {
	if l.BindDN == "" {
		if err := c.UnauthenticatedBind(""); err != nil {
			return nil, fmt.Errorf("bind as nobody: %w; bindDN names who may search", err)
		}
	} else if err := c.Bind(l.BindDN, l.BindPassword); err != nil {
		return nil, fmt.Errorf("bind as %s: %w", l.BindDN, err)
	}
	found, err := c.Search(ldap.NewSearchRequest(base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, limit, int(ldapPatience.Seconds()), false, filter, attributes, nil))
	if ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded) {
		return found.Entries, nil
	}
	if err != nil {
		return nil, fmt.Errorf("search below %s: %w", base, err)
	}
	return found.Entries, nil
}

// find is the one user of a name; nil if there is none, or are several.
func (l *LDAP) find(c *ldap.Conn, name string) (*ldap.Entry, error) {
	attribute := cmp.Or(l.Users.Name, "uid")
	filter := fmt.Sprintf("(&%s(%s=%s))", cmp.Or(l.Users.Filter, "(objectClass=person)"), attribute, ldap.EscapeFilter(name))
	found, err := l.search(c, l.Users.Base, filter, 2, attribute, cmp.Or(l.Groups.MemberIs, attribute))
	if err != nil || len(found) != 1 {
		return nil, err
	}
	return found[0], nil
}

// subject is who somebody is, by the name that the directory has for them.
func (l *LDAP) subject(c *ldap.Conn, e *ldap.Entry) (identity.Subject, error) {
	who := identity.Subject{User: e.GetAttributeValue(cmp.Or(l.Users.Name, "uid")), Foreign: true}
	if err := identity.CheckName(who.User); err != nil {
		return who, fmt.Errorf("the directory's %s: %w", e.DN, err)
	}
	if l.Groups.Base == "" {
		return who, nil
	}
	is := e.DN
	if l.Groups.MemberIs != "" {
		is = e.GetAttributeValue(l.Groups.MemberIs)
	}
	name := cmp.Or(l.Groups.Name, "cn")
	filter := fmt.Sprintf("(&%s(%s=%s))", cmp.Or(l.Groups.Filter, "(objectClass=*)"), cmp.Or(l.Groups.Member, "member"), ldap.EscapeFilter(is))
	found, err := l.search(c, l.Groups.Base, filter, 0, name)
	if err != nil {
		return who, fmt.Errorf("look for the groups of %s in the directory: %w", who.User, err)
	}
	for _, g := range found {
		who.Groups = join(who.Groups, g.GetAttributeValue(name))
	}
	slices.Sort(who.Groups)
	return who, nil
}

// join adds a group that somebody else says that somebody is in. What is kept for
// the cluster and for weir nobody else may say.
func join(groups []string, group string) []string {
	if strings.TrimSpace(group) == "" || identity.Reserved(group) {
		return groups
	}
	return append(groups, group)
}
