import type { Keys } from './s3'

const quote = (text: string) => `"${text.replace(/["\\$`]/g, '\\$&')}"`

/** Snippets are what one pastes to have a program use the storage. Each works as it is, with a bucket that there is. */
export const snippets: readonly { id: string; title: string; text: (k: Keys, bucket: string) => string }[] = [
  {
    id: 'boto3', title: 'Python, with boto3',
    text: (k, bucket) => `import boto3

s3 = boto3.client(
    "s3",
    endpoint_url=${JSON.stringify(k.endpoint)},
    region_name=${JSON.stringify(k.region)},
    aws_access_key_id=${JSON.stringify(k.accessKey)},
    aws_secret_access_key=${JSON.stringify(k.secretKey)},
)
for o in s3.list_objects_v2(Bucket=${JSON.stringify(bucket)}).get("Contents", []):
    print(o["Key"], o["Size"])
`,
  },
  {
    id: 'shell', title: 'Shell, for boto3, aws and most else',
    text: (k) => `export AWS_ENDPOINT_URL=${quote(k.endpoint)}
export AWS_REGION=${quote(k.region)}
export AWS_DEFAULT_REGION=${quote(k.region)}
export AWS_ACCESS_KEY_ID=${quote(k.accessKey)}
export AWS_SECRET_ACCESS_KEY=${quote(k.secretKey)}
`,
  },
  {
    id: 'mc', title: 'mc, MinIO’s client',
    text: (k, bucket) => `mc alias set weir ${quote(k.endpoint)} ${quote(k.accessKey)} ${quote(k.secretKey)} --api S3v4 --path on
mc ls ${quote(`weir/${bucket}`)}
`,
  },
]
