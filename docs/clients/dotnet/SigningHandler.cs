// SigningHandler.cs: signs every request of an HttpClient for sigpost.
//
//     options.HttpClientFactory = () => SigningHandler.Client(secret, sessionId, "1.2.3");
//
// The signature is HMAC-SHA256 over "POST|{path}|{timestamp}|{session id}". It is made anew each time
// a request is sent, so it never grows older than the gateway's window. The exporter sends by
// HttpClient.Send from .NET 5 on and by HttpClient.SendAsync before: a handler that overrides only one
// of the two lets requests through unsigned.
using System;
using System.Globalization;
using System.Net.Http;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using System.Threading;
using System.Threading.Tasks;

public sealed class SigningHandler : DelegatingHandler
{
    private readonly byte[] key;
    private readonly string sessionId;
    private readonly string clientVersion;

    // An empty session id or client version is not sent.
    public SigningHandler(string secret, string sessionId, string clientVersion)
        : base(new HttpClientHandler { AllowAutoRedirect = false })
    {
        if (string.IsNullOrWhiteSpace(secret))
        {
            throw new ArgumentException("the signing secret is empty", nameof(secret));
        }
        if (!Regex.IsMatch(sessionId, @"\A[A-Za-z0-9._:-]{0,128}\z"))
        {
            throw new ArgumentException(
                "a session id is up to 128 of A-Z a-z 0-9 . _ : -", nameof(sessionId));
        }
        // The secret's own characters are the key: one that looks like hex is not decoded.
        key = Encoding.UTF8.GetBytes(secret.Trim());
        this.sessionId = sessionId;
        this.clientVersion = clientVersion;
    }

    // A client of one's own has a timeout of 100 seconds unless told otherwise.
    public static HttpClient Client(string secret, string sessionId, string clientVersion)
    {
        return new HttpClient(new SigningHandler(secret, sessionId, clientVersion))
        {
            Timeout = TimeSpan.FromSeconds(10),
        };
    }

    // The value of X-KMS-Signature, 64 hex digits.
    public string Sign(string path, string timestamp)
    {
        byte[] message = Encoding.UTF8.GetBytes("POST|" + path + "|" + timestamp + "|" + sessionId);
        using (var hmac = new HMACSHA256(key))
        {
            return BitConverter.ToString(hmac.ComputeHash(message)).Replace("-", "").ToLowerInvariant();
        }
    }

    private void Apply(HttpRequestMessage request)
    {
        string now = DateTimeOffset.UtcNow.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        // The path exactly as it goes on the wire, without the query.
        Set(request, "X-KMS-Signature", Sign(request.RequestUri.AbsolutePath, now));
        Set(request, "X-KMS-Timestamp", now);
        Set(request, "X-KMS-Session-ID", sessionId);
        Set(request, "X-KMS-Client-Version", clientVersion);
    }

    // A request that is sent again still has the headers of the first time.
    private static void Set(HttpRequestMessage request, string name, string value)
    {
        request.Headers.Remove(name);
        if (!string.IsNullOrEmpty(value))
        {
            request.Headers.Add(name, value);
        }
    }

#if NET5_0_OR_GREATER
    protected override HttpResponseMessage Send(HttpRequestMessage request, CancellationToken cancel)
    {
        Apply(request);
        return base.Send(request, cancel);
    }
#endif

    protected override Task<HttpResponseMessage> SendAsync(
        HttpRequestMessage request, CancellationToken cancel)
    {
        Apply(request);
        return base.SendAsync(request, cancel);
    }
}
