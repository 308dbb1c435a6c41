package s3

import (
	"context"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // what the signature is made of is not ours to choose
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/gofiber/fiber/v3"
)

// links are requests that carry their signature in the URL. boto3 makes those
// for us-east-1 in the way of before 2014 unless it is told otherwise, and
// versitygw knows only today's: such a link is checked here, and signed anew.
type links struct {
	access, secret, region string
	now                    func() time.Time
}

// renew gives a request today's signature if it has a valid one of the old
// kind. Any other request is left as it is, for versitygw to judge.
func (l links) renew(ctx context.Context, request fiber.Ctx) error {
	u, err := url.ParseRequestURI(string(request.Request().Header.RequestURI()))
	if err != nil {
		return nil //nolint:nilerr // versitygw says what is wrong with it
	}
	query := u.Query()
	if query.Get("AWSAccessKeyId") != l.access || query.Get("Signature") == "" {
		return nil
	}
	expires, err := strconv.ParseInt(query.Get("Expires"), 10, 64)
	left := time.Unix(expires, 0).Sub(l.now())
	if err != nil || left <= 0 || !hmac.Equal([]byte(query.Get("Signature")), []byte(l.sign(request, u))) {
		return nil //nolint:nilerr // as above
	}
	for _, name := range []string{"AWSAccessKeyId", "Signature", "Expires"} {
		query.Del(name)
	}
	query.Set("X-Amz-Expires", fmt.Sprint(min(int(left.Seconds())+1, 7*24*60*60)))
	u.Scheme, u.Host, u.RawQuery = "http", string(request.Request().Host()), query.Encode()
	again, err := http.NewRequestWithContext(ctx, request.Method(), u.String(), nil)
	if err != nil {
		return err
	}
	keys := aws.Credentials{AccessKeyID: l.access, SecretAccessKey: l.secret}
	signed, _, err := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }).
		PresignHTTP(ctx, keys, again, "UNSIGNED-PAYLOAD", "s3", l.region, l.now().UTC())
	if err != nil {
		return err
	}
	_, uri, _ := strings.Cut(signed, u.Host)
	request.Request().SetRequestURI(uri)
	return nil
}

// sign is the signature of the old kind, over what it covers of a request.
func (l links) sign(request fiber.Ctx, u *url.URL) string {
	text := strings.Join([]string{
		request.Method(), request.Get("Content-MD5"), request.Get("Content-Type"), u.Query().Get("Expires"),
		amzHeaders(request) + u.EscapedPath() + subresources(u.Query()),
	}, "\n")
	mac := hmac.New(sha1.New, []byte(l.secret))
	_, _ = mac.Write([]byte(text)) // never fails
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// amzHeaders are the headers of S3's own, a line each, in order.
func amzHeaders(request fiber.Ctx) string {
	var lines []string
	for name, values := range request.GetReqHeaders() {
		if name := strings.ToLower(name); strings.HasPrefix(name, "x-amz-") {
			lines = append(lines, name+":"+strings.Join(values, ",")+"\n")
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// subresources are the parts of a query that say what is asked for.
func subresources(query url.Values) string {
	var parts []string
	for name, values := range query {
		switch name {
		case "acl", "cors", "delete", "lifecycle", "location", "logging", "notification", "partNumber", "policy", "requestPayment",
			"tagging", "torrent", "uploadId", "uploads", "versionId", "versioning", "versions", "website",
			"response-cache-control", "response-content-disposition", "response-content-encoding", "response-content-language",
			"response-content-type", "response-expires":
			if values[0] != "" {
				name += "=" + values[0]
			}
			parts = append(parts, name)
		}
	}
	if len(parts) == 0 {
		return ""
	}
	slices.Sort(parts)
	return "?" + strings.Join(parts, "&")
}
